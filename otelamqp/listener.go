package otelamqp

import (
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// listener is the one goroutine of a channel that publishes with confirmations. It
// ends the send spans whose confirmation nobody waits for, and knows which mandatory
// messages came back as unroutable.
//
// The broker sends basic.return before the confirmation of the same message, and the
// client hands both on from one goroutine. As the channel of returns is unbuffered
// and the listener keeps a return before it does anything else, whoever has met the
// listener (see sync) after a confirmation finds the return: there is nothing to
// wait for and no race.
type listener struct {
	meets chan struct{}
	wake  chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	added    []*DeferredConfirmation // that the listener has not looked at
	idle     bool                    // it waits for one to be added
	returned map[int64]struct{}      // by the time of the publish
}

const (
	// maxReturned bounds the memory for returns that nobody asks for (those of
	// publishes without a confirmation, or without waiting for it).
	maxReturned = 1024
	// overtakenAfter is how long the oldest confirmation is waited for before the
	// others are looked at: the broker answers in order, unless a queue is slow.
	overtakenAfter = 50 * time.Millisecond
)

// listen starts the listener of the channel, once.
func (c *Channel) listen() *listener {
	c.listening.Do(func() {
		c.listener = &listener{
			meets: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{}),
			returned: map[int64]struct{}{},
		}
		go c.listener.run(c.NotifyReturn(make(chan amqp.Return)))
	})
	return c.listener
}

// await makes the listener end the span of d when the broker has answered.
func (l *listener) await(d *DeferredConfirmation) {
	l.mu.Lock()
	select {
	case <-l.done: // a channel that is lost answers by itself
		l.mu.Unlock()
		<-d.Done()
		d.resolve()
		return
	default:
	}
	l.added = append(l.added, d)
	idle := l.idle
	l.idle = false
	l.mu.Unlock()
	if idle {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// sync returns when the listener has kept all returns that came before.
func (l *listener) sync() {
	select {
	case l.meets <- struct{}{}:
	case <-l.done:
	}
}

// cameBack tells whether the message of that time was returned. It is asked for
// once.
func (l *listener) cameBack(publishedAt int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, found := l.returned[publishedAt]
	delete(l.returned, publishedAt)
	return found
}

func (l *listener) keep(r amqp.Return) {
	publishedAt, ok := r.Headers[PublishedAtHeader].(int64)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.returned) >= maxReturned {
		clear(l.returned)
	}
	l.returned[publishedAt] = struct{}{}
}

func (l *listener) run(returns <-chan amqp.Return) {
	var waiting []*DeferredConfirmation // oldest first
	overtaken := time.NewTimer(overtakenAfter)
	defer overtaken.Stop()
	armed := true
	for {
		var more bool
		if waiting, more = l.take(waiting, returns == nil); !more {
			return
		}
		if len(waiting) > 0 {
			if waiting = resolveFirst(waiting); len(waiting) == 0 {
				continue
			}
		}
		var oldest <-chan struct{}
		var late <-chan time.Time
		if len(waiting) > 0 {
			oldest, late = waiting[0].Done(), overtaken.C
			if !armed {
				overtaken.Reset(overtakenAfter)
				armed = true
			}
		}
		select {
		case <-oldest:
		case <-l.wake:
		case <-l.meets:
		case <-late:
			armed = false
			waiting = resolveAll(waiting)
		case r, open := <-returns:
			if open {
				l.keep(r)
			} else { // all confirmations are resolved now, by the client
				returns = nil
			}
		}
	}
}

// take adds what was added. There is no more when the channel is closed and nothing
// waits.
func (l *listener) take(waiting []*DeferredConfirmation, closed bool) (_ []*DeferredConfirmation, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting = append(waiting, l.added...)
	clear(l.added)
	l.added = l.added[:0]
	l.idle = len(waiting) == 0
	if l.idle && closed {
		close(l.done)
		return nil, false
	}
	return waiting, true
}

// resolveFirst ends those at the front that are answered, and returns the rest.
func resolveFirst(waiting []*DeferredConfirmation) []*DeferredConfirmation {
	n := 0
	for n < len(waiting) && waiting[n].resolveIfAnswered() {
		n++
	}
	return slices.Delete(waiting, 0, n)
}

func resolveAll(waiting []*DeferredConfirmation) []*DeferredConfirmation {
	return slices.DeleteFunc(waiting, (*DeferredConfirmation).resolveIfAnswered)
}
