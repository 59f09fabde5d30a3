package otelamqp

import (
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// watch knows which mandatory messages came back as unroutable and how often the
// channel was lost: amqp091-go's own recovery opens the same channel again, and
// then resolves what was pending as if the broker had refused it.
//
// The broker sends basic.return before the confirmation of the same message, and
// the client hands both on from one goroutine. Because the channel of returns is
// unbuffered and one goroutine both stores returns and answers questions, a
// question asked after the confirmation always finds the return: there is nothing
// to wait for and no race.
type watch struct {
	asks   chan ask
	done   chan struct{}
	losses atomic.Int64
}

type ask struct {
	publishedAt int64
	returned    chan bool
}

// maxReturned bounds the memory for returns that nobody asks for (those of
// publishes without a confirmation, or without waiting for it).
const maxReturned = 1024

func newWatch(ch *amqp.Channel) *watch {
	w := &watch{asks: make(chan ask), done: make(chan struct{})}
	go w.run(ch.NotifyReturn(make(chan amqp.Return)), ch.NotifyClose(make(chan *amqp.Error, 1)))
	return w
}

func (w *watch) run(returns <-chan amqp.Return, losses <-chan *amqp.Error) {
	defer close(w.done)
	returned := map[int64]struct{}{}
	for {
		select {
		case r, open := <-returns:
			if !open {
				return
			}
			if len(returned) >= maxReturned {
				clear(returned)
			}
			if publishedAt, ok := r.Headers[PublishedAtHeader].(int64); ok {
				returned[publishedAt] = struct{}{}
			}
		case _, open := <-losses:
			if !open {
				return
			}
			w.losses.Add(1)
		case a := <-w.asks:
			select { // a loss that was told before the question
			case <-losses:
				w.losses.Add(1)
			default:
			}
			_, found := returned[a.publishedAt]
			delete(returned, a.publishedAt)
			a.returned <- found
		}
	}
}

// outcome is that of a message published at that time, after so many losses of
// the channel. It must be asked for once, after the message's confirmation.
func (w *watch) outcome(acked, mandatory bool, publishedAt, losses int64) error {
	if acked && !mandatory {
		return nil
	}
	a := ask{publishedAt: publishedAt, returned: make(chan bool, 1)}
	select {
	case w.asks <- a:
		switch {
		case <-a.returned:
			return ErrUnroutable
		case acked:
			return nil
		case w.losses.Load() != losses:
			return ErrNotConfirmed
		default:
			return ErrNacked
		}
	case <-w.done:
		if acked {
			return nil
		}
		return ErrNotConfirmed
	}
}
