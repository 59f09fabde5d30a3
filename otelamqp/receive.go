package otelamqp

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"
)

// Get is [Channel.GetWithContext] with a background context.
func (c *Channel) Get(queue string, autoAck bool) (amqp.Delivery, bool, error) {
	return c.GetWithContext(context.Background(), queue, autoAck)
}

// GetWithContext is the wrapped channel's Get within a CLIENT span named
// "receive {exchange}:{routing key}:{queue}", a child of the span in ctx and
// linked to the message's context. Hand the delivery to [Channel.Process] to
// trace its handling, too.
//
// A Get that finds the queue empty makes a span only if there is one in ctx:
// polling would fill the stores with traces about nothing.
func (c *Channel) GetWithContext(ctx context.Context, queue string, autoAck bool) (amqp.Delivery, bool, error) {
	if err := ctx.Err(); err != nil {
		return amqp.Delivery{}, false, err
	}
	began := time.Now()
	d, ok, err := c.Channel.Get(queue, autoAck)
	if ok {
		// Unlike a consumer's, such a delivery has nothing else to tell its queue by.
		d.Acknowledger = &settlement{channel: c, subscription: subscription{queue: queue, autoAck: autoAck}, got: true}
	}
	p := c.inst.plan(Operation{Name: OperationReceive, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Queue: queue})
	if p.filtered {
		return d, ok, err
	}
	failure := c.inst.config.failure(err)
	creation := trace.SpanContextFromContext(c.inst.extract(context.Background(), &d))
	parent := ctx
	if ok || err != nil || trace.SpanContextFromContext(ctx).IsValid() {
		var links []trace.Link
		if creation.IsValid() {
			links = []trace.Link{{SpanContext: creation}}
		}
		var span trace.Span
		ctx, span = c.inst.tracer.Start(ctx, p.name, append(p.startWith(links), trace.WithTimestamp(began))...)
		if ok && span.IsRecording() {
			span.SetAttributes(c.deliveryAttributes(nil, ctx, &d)...)
		}
		defer endSpan(span, failure)
	}
	c.inst.metrics.recordOperation(ctx, p, began, failure)
	if ok {
		c.inst.metrics.recordDelivery(ctx, p, &d, time.Now())
		c.traceSettlement(parent, p.operation, creation, &d)
	}
	return d, ok, err
}

// hasGot tells whether the delivery came from Get, and so is counted.
func (c *Channel) hasGot(d *amqp.Delivery) bool {
	own, ok := d.Acknowledger.(*settlement)
	return ok && own.got
}
