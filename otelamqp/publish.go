package otelamqp

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ErrUnroutable is what a confirmation ends with when the message was published
// with mandatory set and no queue was bound for it: the broker confirms such a
// message although it has dropped it.
var ErrUnroutable = errors.New("otelamqp: message returned as unroutable: no queue is bound for it")

// ErrNotConfirmed is what a confirmation ends with when the broker refused the
// message (basic.nack) or the channel closed before it answered.
var ErrNotConfirmed = errors.New("otelamqp: message not confirmed by the broker")

var errPanicked = errors.New("otelamqp: the handler panicked")

// Publish is [Channel.PublishWithContext] with a background context.
func (c *Channel) Publish(exchange, key string, mandatory, immediate bool, msg amqp.Publishing) error {
	return c.PublishWithContext(context.Background(), exchange, key, mandatory, immediate, msg)
}

// PublishWithContext publishes within a PRODUCER span named
// "send {exchange}:{routing key}", a child of the span in ctx, and puts that
// span's context and [PublishedAtHeader] into a copy of msg.Headers. The span
// ends when the message has been written or, on a channel in confirm mode, when
// the broker has answered.
func (c *Channel) PublishWithContext(ctx context.Context, exchange, key string, mandatory, immediate bool, msg amqp.Publishing) error {
	_, err := c.PublishWithDeferredConfirmWithContext(ctx, exchange, key, mandatory, immediate, msg)
	return err
}

// PublishWithDeferredConfirm is [Channel.PublishWithDeferredConfirmWithContext]
// with a background context.
func (c *Channel) PublishWithDeferredConfirm(exchange, key string, mandatory, immediate bool, msg amqp.Publishing) (*DeferredConfirmation, error) {
	return c.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, mandatory, immediate, msg)
}

// PublishWithDeferredConfirmWithContext is [Channel.PublishWithContext] and
// returns the confirmation to wait for; it is nil when the channel is not in
// confirm mode, as with the wrapped channel.
func (c *Channel) PublishWithDeferredConfirmWithContext(ctx context.Context, exchange, key string, mandatory, immediate bool, msg amqp.Publishing) (*DeferredConfirmation, error) {
	began, destination := time.Now(), valid(publishDestination(exchange, key))
	ctx, span := c.tracer.Start(ctx, "send "+destination,
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(c.sendAttributes(destination, key, &msg)...))
	end := func(err error) {
		c.metrics.recordSend(ctx, destination, time.Since(began), err)
		endSpan(span, err)
	}

	msg.Headers = cloneHeaders(msg.Headers)
	msg.Headers[PublishedAtHeader] = began.UnixNano()
	c.config.propagator.Inject(ctx, HeaderCarrier(msg.Headers))

	confirm, err := c.Channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, mandatory, immediate, msg)
	if err != nil || confirm == nil {
		end(err)
		return nil, err
	}
	d := &DeferredConfirmation{DeferredConfirmation: confirm, endSend: end, ended: make(chan struct{})}
	if mandatory {
		d.returned = func() bool { return c.returns.take(msg.MessageId) }
	}
	// The span must end with the broker's answer, also when nobody waits for it.
	// amqp091-go resolves every confirmation when the channel closes, so this
	// goroutine ends with the channel at the latest.
	go func() {
		<-confirm.Done()
		d.resolve()
	}()
	return d, nil
}

// DeferredConfirmation is the broker's pending answer to one publish. Its send
// span ends when the answer arrives, or when [DeferredConfirmation.WaitContext]
// gives up.
type DeferredConfirmation struct {
	*amqp.DeferredConfirmation
	endSend  func(error)
	returned func() bool
	once     sync.Once
	ended    chan struct{}
	err      error
}

// Wait blocks until the broker has answered. It is true if the broker has taken
// the message and, for a mandatory one, routed it to a queue.
func (d *DeferredConfirmation) Wait() bool {
	acked, _ := d.WaitContext(context.Background())
	return acked
}

// Acked is the answer without waiting: false while there is none.
func (d *DeferredConfirmation) Acked() bool {
	select {
	case <-d.ended:
		return d.err == nil
	default:
		return false
	}
}

// Done is closed when the broker has answered and the send span has ended.
func (d *DeferredConfirmation) Done() <-chan struct{} { return d.ended }

// Err is nil while there is no answer and after a good one, else
// [ErrNotConfirmed], [ErrUnroutable] (mandatory messages with a message id only)
// or the error of the context that WaitContext gave up with.
func (d *DeferredConfirmation) Err() error {
	select {
	case <-d.ended:
		return d.err
	default:
		return nil
	}
}

// WaitContext waits like Wait until ctx ends, in which case it returns the
// context's error and ends the send span as failed: from then on nobody knows
// whether the broker has the message.
//
// Like the wrapped method it returns false and no error for a message that was
// refused or returned; [DeferredConfirmation.Err] says which.
func (d *DeferredConfirmation) WaitContext(ctx context.Context) (bool, error) {
	select {
	case <-d.ended:
	case <-d.DeferredConfirmation.Done():
		d.resolve()
	case <-ctx.Done():
		d.end(ctx.Err)
		<-d.ended
		if d.err != nil {
			return false, ctx.Err()
		}
	}
	return d.err == nil, nil
}

// resolve ends the span with the broker's answer, which must have arrived.
func (d *DeferredConfirmation) resolve() {
	d.end(func() error {
		switch {
		case !d.DeferredConfirmation.Acked():
			return ErrNotConfirmed
		case d.returned != nil && d.returned():
			return ErrUnroutable
		default:
			return nil
		}
	})
}

// end ends the span with the outcome, which is asked for once.
func (d *DeferredConfirmation) end(outcome func() error) {
	d.once.Do(func() {
		d.err = outcome()
		d.endSend(d.err)
		close(d.ended)
	})
}

// endSpan ends a span with the error's type and text, or without an error.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(errorType(err))
		span.SetStatus(codes.Error, valid(err.Error()))
	}
	span.End()
}

// errorType gives the conventions' error.type a small, fixed set of values for
// what this package knows and the Go type of the error for the rest.
func errorType(err error) attribute.KeyValue {
	var amqpErr *amqp.Error
	switch {
	case errors.Is(err, ErrUnroutable):
		return semconv.ErrorTypeKey.String("unroutable")
	case errors.Is(err, ErrNotConfirmed):
		return semconv.ErrorTypeKey.String("not_confirmed")
	case errors.Is(err, context.DeadlineExceeded):
		return semconv.ErrorTypeKey.String("timeout")
	case errors.Is(err, context.Canceled):
		return semconv.ErrorTypeKey.String("canceled")
	case errors.Is(err, amqp.ErrClosed):
		return semconv.ErrorTypeKey.String("channel_closed")
	case errors.As(err, &amqpErr):
		return semconv.ErrorTypeKey.String(strconv.Itoa(amqpErr.Code))
	default:
		return semconv.ErrorType(err)
	}
}
