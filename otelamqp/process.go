package otelamqp

import (
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// StartProcess starts the CONSUMER span of handling one delivery, named
// "process {exchange}:{routing key}:{queue}", as a child of the producer's span
// whose context the message carries: in its headers or, when those hold none,
// in a body envelope (see [WrapBody]). A message without a valid context starts
// a new trace. The caller ends the span, after it has settled the message.
//
// It counts the delivery and its time in the queue; messaging.process.duration
// is recorded by [Channel.Process] only, which knows the end.
//
// ctx gives deadlines and values; a span in it is not the parent, but becomes a
// link, as the conventions ask of a consumer with an ambient span.
func (c *Channel) StartProcess(ctx context.Context, d *amqp.Delivery) (context.Context, trace.Span) {
	destination := c.destination(d)
	opts := make([]trace.SpanStartOption, 0, 3)
	opts = append(opts,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(c.processAttributes(destination, d)...))
	if ambient := trace.SpanContextFromContext(ctx); ambient.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: ambient}))
		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	ctx, span := c.tracer.Start(c.extract(ctx, d), "process "+destination, opts...)
	c.metrics.recordDelivery(ctx, destination, d, time.Now())
	return ctx, span
}

// Process runs handle within the span of [Channel.StartProcess] and ends it
// with the handler's error, which it returns. A panic of the handler ends the
// span as failed and goes on upwards.
func (c *Channel) Process(ctx context.Context, d *amqp.Delivery, handle func(context.Context) error) (err error) {
	began, destination := time.Now(), c.destination(d)
	ctx, span := c.StartProcess(ctx, d)
	finished := false
	defer func() {
		if !finished {
			err = errPanicked
		}
		c.metrics.recordProcess(ctx, destination, time.Since(began), err)
		endSpan(span, err)
	}()
	err = handle(ctx)
	finished = true
	return err
}

func (c *Channel) destination(d *amqp.Delivery) string {
	return valid(consumeDestination(d.Exchange, d.RoutingKey, c.queues.get(d.ConsumerTag)))
}

func (c *Channel) extract(ctx context.Context, d *amqp.Delivery) context.Context {
	ctx = c.config.propagator.Extract(ctx, HeaderCarrier(d.Headers))
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	if _, carrier := UnwrapBody(d.Body); carrier != nil {
		return c.config.propagator.Extract(ctx, propagation.TextMapCarrier(carrier))
	}
	return ctx
}

// queueByConsumer maps consumer tags to queues.
type queueByConsumer struct{ m sync.Map }

func (q *queueByConsumer) set(consumer, queue string) { q.m.Store(consumer, queue) }

func (q *queueByConsumer) get(consumer string) string {
	queue, _ := q.m.Load(consumer)
	s, _ := queue.(string)
	return s
}
