// Package otelamqp is the OpenTelemetry instrumentation of
// github.com/rabbitmq/amqp091-go.
//
// [NewChannel] wraps an *amqp.Channel and keeps its method names, so that
// adopting the package is a one-line change:
//
//	ch := otelamqp.NewChannel(amqpChannel)
//	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "user.events", "user.logged_in", true, false, msg)
//
// A program with many channels makes an [Instrumentation] once, by [New], and wraps
// each channel by its [Instrumentation.Channel]: they share the instruments and all
// that is prepared for spans.
//
// Spans follow the messaging and the RabbitMQ pages of the OpenTelemetry semantic
// conventions, version 1.43, which is also the schema ([SchemaURL]) of all that this
// package makes:
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
// messaging.message.time_in_queue: seconds from the publish (see [WithPublishedAt])
// until the application has the message.
//
// Spans and metrics go to the global providers, or where options say. For one
// without the other give the noop provider of the other:
//
//	otelamqp.New(otelamqp.WithMeterProvider(noop.NewMeterProvider())) // traces only
//
// The trace context travels in the message headers. Peers that drop headers can
// carry it in the body: see [WrapBody] and [WithBodyEnvelope].
//
// The values of error.type are those of [ErrUnroutable], [ErrNacked] and
// [ErrNotConfirmed]; "timeout" and "canceled" for a context that ended; an AMQP
// reply code; "panic"; and for any other error its Go type. [WithErrorFilter] says
// which errors are none.
//
// # What is not seen
//
// What reaches the wrapped channel another way than through [Channel], such as
// ch.Channel.Publish, makes neither spans nor metrics, and a message published so
// carries no context. Transactions (Tx, TxCommit, TxRollback) go through untraced: a
// send span ends when the message has been written. The topology methods go through
// as well, but for what is remembered of them.
//
// # Recovery
//
// With the recovery of amqp091-go a channel is opened again, and its delivery tags
// begin anew. What waited for a confirmation ends with [ErrNotConfirmed], and what
// was to be settled is forgotten. A delivery that came before and is settled
// afterwards is settled as the client does it, which may hit another message: see
// the client's documentation.
//
// # Stability
//
// Before 1.0 a minor version may change the API; CHANGELOG.md says how. Names of
// spans and attributes follow the conventions, and change with them.
package otelamqp

import (
	"context"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the instrumentation scope of every span and metric that this
// package makes.
const ScopeName = "throughline/otelamqp"

// Version of the instrumentation, recorded in its scope.
const Version = "0.3.0"

// SchemaURL is that of the semantic conventions that this package follows, recorded
// in its scope.
const SchemaURL = semconv.SchemaURL

// Instrumentation is what the channels of a program have in common: options, the
// tracer, the instruments, and what is prepared for each kind of operation. It is
// safe for concurrent use.
type Instrumentation struct {
	config    config
	tracer    trace.Tracer
	metrics   metrics
	plans     plans
	temporary names
	fields    atomic.Pointer[[]string] // of the propagator
}

// New makes an Instrumentation. Make one for each connection if an option tells of a
// connection ([WithServerAddress], [WithPeerAddress]), and else one.
func New(opts ...Option) *Instrumentation {
	cfg := newConfig(opts)
	return &Instrumentation{
		config:  cfg,
		tracer:  cfg.tracerProvider.Tracer(ScopeName, trace.WithInstrumentationVersion(Version), trace.WithSchemaURL(SchemaURL)),
		metrics: newMetrics(cfg.meterProvider),
	}
}

// Channel wraps ch. Wrap a channel once, before using it. It costs no goroutine
// until the first publish whose confirmation is to be told of.
func (i *Instrumentation) Channel(ch *amqp.Channel) *Channel {
	return &Channel{Channel: ch, inst: i, settlements: newSettlements(ch)}
}

// Channel is an *amqp.Channel whose publishes, deliveries and settlements are
// traced and measured. Every method that is not defined here is the wrapped
// channel's own.
//
// It is as safe for concurrent use as the channel it wraps.
type Channel struct {
	*amqp.Channel
	inst        *Instrumentation
	consumers   consumers
	settlements settlements
	clock       clock
	listening   sync.Once
	listener    *listener
}

// NewChannel is [New] and [Instrumentation.Channel] in one, for a program with one
// channel.
func NewChannel(ch *amqp.Channel, opts ...Option) *Channel { return New(opts...).Channel(ch) }

// QueueDeclare is the wrapped channel's method. It also remembers a queue that is
// exclusive or deleted automatically as temporary: its name is too short-lived
// for the name of a span (see the conventions on temporary destinations).
func (c *Channel) QueueDeclare(name string, durable, autoDelete, exclusive, noWait bool, args amqp.Table) (amqp.Queue, error) {
	queue, err := c.Channel.QueueDeclare(name, durable, autoDelete, exclusive, noWait, args)
	if err == nil && (autoDelete || exclusive) && c.inst.temporary.add(queue.Name) {
		c.inst.plans.forget(queue.Name)
	}
	return queue, err
}

// ConsumeWithContext is the wrapped channel's method. It also remembers which
// queue the consumer reads, until the consumer is canceled: a delivery does not say
// so, and its spans are named after it.
func (c *Channel) ConsumeWithContext(ctx context.Context, queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	if consumer == "" {
		consumer = newConsumerTag()
	}
	c.consumers.set(consumer, subscription{queue: queue, autoAck: autoAck})
	deliveries, err := c.Channel.ConsumeWithContext(ctx, queue, consumer, autoAck, exclusive, noLocal, noWait, args)
	if err != nil {
		c.consumers.cancel(consumer)
		return nil, err
	}
	// The client cancels the consumer by itself then.
	context.AfterFunc(ctx, func() { c.consumers.cancel(consumer) })
	return deliveries, nil
}

// Consume is [Channel.ConsumeWithContext] with a background context.
func (c *Channel) Consume(queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	return c.ConsumeWithContext(context.Background(), queue, consumer, autoAck, exclusive, noLocal, noWait, args)
}

// Cancel is the wrapped channel's method. It also forgets the consumer, though not
// at once: its last deliveries are still to be handled.
func (c *Channel) Cancel(consumer string, noWait bool) error {
	err := c.Channel.Cancel(consumer, noWait)
	if err == nil {
		c.consumers.cancel(consumer)
	}
	return err
}
