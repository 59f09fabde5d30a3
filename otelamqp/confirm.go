package otelamqp

import (
	"context"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DeferredConfirmation is the broker's pending answer to one publish. Its send
// span ends when the answer arrives, or when [DeferredConfirmation.WaitContext]
// gives up.
type DeferredConfirmation struct {
	*amqp.DeferredConfirmation
	send      send
	mandatory bool
	once      sync.Once
	waitedFor atomic.Bool // so that the listener need not care
	ended     atomic.Bool
	err       error
}

// Wait blocks until the broker has answered. It is true if the broker has taken
// the message and, for a mandatory one, routed it to a queue.
func (d *DeferredConfirmation) Wait() bool {
	acked, _ := d.WaitContext(context.Background())
	return acked
}

// Acked is the answer without waiting: false while there is none.
func (d *DeferredConfirmation) Acked() bool { return d.answered() && d.err == nil }

// Err is nil while there is no answer and after a good one, else [ErrNacked],
// [ErrUnroutable] (of mandatory messages), [ErrNotConfirmed] or the error of the
// context that WaitContext gave up with.
func (d *DeferredConfirmation) Err() error {
	if !d.answered() {
		return nil
	}
	return d.err
}

// WaitContext waits like Wait until ctx ends, in which case it returns the
// context's error and ends the send span as failed: from then on nobody knows
// whether the broker has the message.
//
// Like the wrapped method it returns false and no error for a message that was
// refused or returned; [DeferredConfirmation.Err] says which.
func (d *DeferredConfirmation) WaitContext(ctx context.Context) (bool, error) {
	d.waitedFor.Store(true)
	select {
	case <-d.Done():
		d.meetAndResolve()
	case <-ctx.Done():
		d.end(ctx.Err)
		if d.err != nil {
			return false, ctx.Err()
		}
	}
	return d.err == nil, nil
}

// answered tells whether the outcome is known.
func (d *DeferredConfirmation) answered() bool {
	if d.ended.Load() {
		return true
	}
	select {
	case <-d.Done():
		d.meetAndResolve()
		return true
	default:
		return false
	}
}

// meetAndResolve is resolve for others than the listener. They must not meet it
// within resolve, where it may wait for them.
func (d *DeferredConfirmation) meetAndResolve() {
	if d.mandatory && !d.ended.Load() {
		d.send.channel.listener.sync()
	}
	d.resolve()
}

// resolveIfAnswered is the listener's way to look at a confirmation. It returns
// whether that is done with.
func (d *DeferredConfirmation) resolveIfAnswered() bool {
	if d.ended.Load() || d.waitedFor.Load() {
		return true
	}
	select {
	case <-d.Done():
		d.resolve()
		return true
	default:
		return false
	}
}

// resolve ends the span with the broker's answer, which must have arrived.
func (d *DeferredConfirmation) resolve() {
	d.end(func() error {
		s := &d.send
		switch {
		case d.mandatory && s.channel.listener.cameBack(s.publishedAt):
			return ErrUnroutable
		case d.DeferredConfirmation.Acked():
			return nil
		case s.channel.settlements.losses() != s.losses:
			return ErrNotConfirmed
		default:
			return ErrNacked
		}
	})
}

// end ends the span with the outcome, which is asked for once.
func (d *DeferredConfirmation) end(outcome func() error) {
	d.once.Do(func() {
		d.err = outcome()
		d.send.end(d.err)
		d.ended.Store(true)
	})
}
