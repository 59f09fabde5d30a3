// Package otelamqp is the OpenTelemetry instrumentation of
// github.com/rabbitmq/amqp091-go.
//
// [NewChannel] wraps an *amqp.Channel and keeps its method names, so that
// adopting the package is a one-line change:
//
//	ch := otelamqp.NewChannel(amqpChannel)
//	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "user.events", "user.logged_in", true, false, msg)
//
// Spans follow the messaging and the RabbitMQ pages of the OpenTelemetry semantic
// conventions, version 1.44:
//
//	send {exchange}:{routing key}             PRODUCER  Publish…; ends with the broker's confirmation
//	receive {exchange}:{routing key}:{queue}  CLIENT    Get, GetWithContext
//	process {exchange}:{routing key}:{queue}  CONSUMER  Process, StartProcess, ProcessBatch
//	ack {exchange}:{routing key}:{queue}      CLIENT    Ack, Nack, Reject, by WithSettleSpans
//
// The process span of a single message is a child of the send span, so that both
// sides of the broker are one trace; [WithLinkedTraces], [WithNewTraceOnRedelivery]
// and [WithNewTraceAfter] choose a new trace that is linked to it.
//
// The same calls record the conventions' metrics messaging.client.sent.messages,
// messaging.client.operation.duration, messaging.client.consumed.messages and
// messaging.process.duration, and one of this package, the histogram
// messaging.message.time_in_queue: seconds from the publish (see
// [PublishedAtHeader]) until the application has the message.
//
// The trace context travels in the message headers. Peers that drop headers can
// carry it in the body: see [WrapBody] and [UnwrapBody].
//
// The values of error.type are those of [ErrUnroutable], [ErrNacked] and
// [ErrNotConfirmed]; "timeout" and "canceled" for a context that ended; an AMQP
// reply code; "panic"; and for any other error its Go type.
package otelamqp

import (
	"context"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the instrumentation scope of every span and metric that this
// package makes.
const ScopeName = "throughline/otelamqp"

// Version of the instrumentation, recorded in its scope.
const Version = "0.2.0"

// Channel is an *amqp.Channel whose publishes, deliveries and settlements are
// traced and measured. Every method that is not defined here is the wrapped
// channel's own.
//
// It is as safe for concurrent use as the channel it wraps.
type Channel struct {
	*amqp.Channel
	config        config
	tracer        trace.Tracer
	metrics       metrics
	plans         plans
	consumers     consumers
	temporary     names
	unsettled     unsettled
	watch         *watch
	lastPublished atomic.Int64
}

// NewChannel wraps ch. Wrap a channel once, before using it.
func NewChannel(ch *amqp.Channel, opts ...Option) *Channel {
	cfg := newConfig(opts)
	return &Channel{
		Channel: ch,
		config:  cfg,
		tracer:  cfg.tracerProvider.Tracer(ScopeName, trace.WithInstrumentationVersion(Version)),
		metrics: newMetrics(cfg.meterProvider),
		watch:   newWatch(ch),
	}
}

// QueueDeclare is the wrapped channel's method. It also remembers a queue that is
// exclusive or deleted automatically as temporary: its name is too short-lived
// for the name of a span (see the conventions on temporary destinations).
func (c *Channel) QueueDeclare(name string, durable, autoDelete, exclusive, noWait bool, args amqp.Table) (amqp.Queue, error) {
	queue, err := c.Channel.QueueDeclare(name, durable, autoDelete, exclusive, noWait, args)
	if err == nil && (autoDelete || exclusive) {
		c.temporary.add(queue.Name)
		c.plans.forget()
	}
	return queue, err
}

// ConsumeWithContext is the wrapped channel's method. It also remembers which
// queue the consumer reads: a delivery does not say so, and its spans are named
// after it.
func (c *Channel) ConsumeWithContext(ctx context.Context, queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	if consumer == "" {
		consumer = newConsumerTag()
	}
	c.consumers.set(consumer, subscription{queue: queue, autoAck: autoAck})
	return c.Channel.ConsumeWithContext(ctx, queue, consumer, autoAck, exclusive, noLocal, noWait, args)
}

// Consume is [Channel.ConsumeWithContext] with a background context.
func (c *Channel) Consume(queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	return c.ConsumeWithContext(context.Background(), queue, consumer, autoAck, exclusive, noLocal, noWait, args)
}
