package otelamqp

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"
)

// Channel is an *amqp.Channel whose publishes and deliveries are traced and
// measured. Every method that is not defined here is the wrapped channel's own.
//
// It is as safe for concurrent use as the channel it wraps.
type Channel struct {
	*amqp.Channel
	config  config
	tracer  trace.Tracer
	metrics *metrics
	queues  queueByConsumer
	returns *returns
}

// NewChannel wraps ch. Wrap a channel once, before publishing on it.
func NewChannel(ch *amqp.Channel, opts ...Option) *Channel {
	cfg := newConfig(opts)
	return &Channel{
		Channel: ch,
		config:  cfg,
		tracer:  cfg.tracerProvider.Tracer(ScopeName, trace.WithInstrumentationVersion(Version)),
		metrics: newMetrics(cfg.meterProvider, cfg.attributes),
		returns: watchReturns(ch),
	}
}

// ConsumeWithContext is the wrapped channel's method. It also remembers which
// queue the consumer reads, because a delivery does not say so and the process
// span is named after it. With an empty consumer tag the queue stays unknown to
// the spans: give each consumer a tag.
func (c *Channel) ConsumeWithContext(ctx context.Context, queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	if consumer != "" {
		c.queues.set(consumer, queue)
	}
	return c.Channel.ConsumeWithContext(ctx, queue, consumer, autoAck, exclusive, noLocal, noWait, args)
}

// Consume is [Channel.ConsumeWithContext] with a background context.
func (c *Channel) Consume(queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	return c.ConsumeWithContext(context.Background(), queue, consumer, autoAck, exclusive, noLocal, noWait, args)
}
