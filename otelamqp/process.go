package otelamqp

import (
	"context"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// StartProcess starts the CONSUMER span of handling one delivery, named
// "process {exchange}:{routing key}:{queue}", as a child of the producer's span
// whose context the message carries: in its headers or, when those hold none,
// by [WithBodyEnvelope], in a body envelope. Options choose a linked trace instead. The
// caller calls end once, with what the handling failed with or nil, after it has
// settled the message; [Channel.Process] does so by itself.
//
// A span in ctx becomes a link, as the conventions ask of a consumer with an
// ambient span, or the parent when the message carries no context.
//
// It counts the delivery and its time in the queue. And it replaces the
// Acknowledger of a delivery that c has consumed, so that d.Ack, d.Nack and
// d.Reject are measured (see [Channel.Ack]).
func (c *Channel) StartProcess(ctx context.Context, d *amqp.Delivery) (_ context.Context, end func(error)) {
	began := time.Now()
	ctx, span, p := c.startProcess(ctx, d, began)
	return ctx, func(err error) { c.endProcess(ctx, span, p, began, err) }
}

func (c *Channel) startProcess(ctx context.Context, d *amqp.Delivery, now time.Time) (context.Context, trace.Span, *plan) {
	p := c.inst.plan(c.operation(OperationProcess, d))
	ambient := trace.SpanFromContext(ctx)
	if ambient.SpanContext().IsValid() {
		ctx = trace.ContextWithSpan(ctx, nil)
	}
	ctx = c.inst.extract(ctx, d)
	creation := trace.SpanContextFromContext(ctx)
	var links []trace.Link
	switch {
	case !creation.IsValid():
		ctx = trace.ContextWithSpan(ctx, ambient)
	case p.filtered:
	case c.beginsTrace(d, now):
		links = []trace.Link{{SpanContext: creation}}
		ctx = trace.ContextWithSpan(ctx, ambient)
	case ambient.SpanContext().IsValid():
		links = []trace.Link{{SpanContext: ambient.SpanContext()}}
	}
	if p.filtered {
		return ctx, noop.Span{}, p
	}
	ctx, span := c.inst.tracer.Start(ctx, p.name, p.startWith(links)...)
	if span.IsRecording() {
		span.SetAttributes(c.processAttributes(ctx, span, creation, d)...)
	}
	if !c.hasGot(d) {
		c.inst.metrics.recordDelivery(ctx, p, d, now)
	}
	if span.IsRecording() || c.inst.metrics.enabled(ctx) {
		c.traceSettlement(ctx, p.operation, creation, d)
	}
	return ctx, span, p
}

// beginsTrace tells whether the user wants a new trace for this delivery.
func (c *Channel) beginsTrace(d *amqp.Delivery, now time.Time) bool {
	if c.inst.config.linked || c.inst.config.newOnRedelivery && c.Attempt(d) > 1 {
		return true
	}
	if c.inst.config.newAfter <= 0 {
		return false
	}
	waited, known := timeInQueue(d, now)
	return known && waited > c.inst.config.newAfter
}

// Process runs handle within the span of [Channel.StartProcess] and ends it
// with the handler's error, which it returns. A panic of the handler ends the
// span as failed and goes on upwards.
func (c *Channel) Process(ctx context.Context, d *amqp.Delivery, handle func(context.Context) error) error {
	began := time.Now()
	ctx, span, p := c.startProcess(ctx, d, began)
	return c.run(ctx, span, p, began, handle)
}

// ProcessBatch runs handle, which handles several deliveries at once, within one
// CONSUMER span that has a link to the context of each message, with the
// message's id and delivery tag, and messaging.batch.message_count. It is a child
// of the span in ctx, if there is one, and named after what the deliveries have in
// common. Errors, panics and settling are as with [Channel.Process]; a delivery
// settled with multiple set settles those before it, in one span.
func (c *Channel) ProcessBatch(ctx context.Context, ds []amqp.Delivery, handle func(context.Context) error) error {
	if len(ds) == 0 {
		return handle(ctx)
	}
	began, common := time.Now(), c.operation(OperationProcess, &ds[0])
	links := make([]trace.Link, 0, len(ds))
	creations := make([]trace.SpanContext, len(ds))
	shared := batchAttributes(&ds[0])
	for i := range ds {
		common = common.and(c.operation(OperationProcess, &ds[i]))
		shared = intersection(shared, batchAttributes(&ds[i]))
		creations[i] = trace.SpanContextFromContext(c.inst.extract(context.Background(), &ds[i]))
		if creations[i].IsValid() {
			attrs := []attribute.KeyValue{deliveryTag(ds[i].DeliveryTag)}
			links = append(links, trace.Link{SpanContext: creations[i], Attributes: c.inst.messageAttributes(attrs, ds[i].MessageId, ds[i].CorrelationId, len(ds[i].Body))})
		}
	}
	p := c.inst.plan(common)
	if p.filtered {
		return handle(ctx)
	}
	ctx, span := c.inst.tracer.Start(ctx, p.name, p.startWith(links)...)
	span.SetAttributes(append(shared, semconv.MessagingBatchMessageCount(len(ds)))...)
	for i := range ds {
		if !c.hasGot(&ds[i]) {
			c.inst.metrics.recordDelivery(ctx, p, &ds[i], began)
		}
		c.traceSettlement(ctx, c.operation("", &ds[i]), creations[i], &ds[i])
	}
	return c.run(ctx, span, p, began, handle)
}

// batchAttributes are those of a delivery that stand on the span of a batch when
// all its messages share them.
func batchAttributes(d *amqp.Delivery) []attribute.KeyValue {
	return idAttributes([]attribute.KeyValue{deliveryTag(d.DeliveryTag)}, d.MessageId, d.CorrelationId)
}

// intersection leaves in attrs what is in others, too.
func intersection(attrs, others []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(attrs, func(kv attribute.KeyValue) bool { return !slices.Contains(others, kv) })
}

// and is what two operations have in common.
func (op Operation) and(other Operation) Operation {
	if op.Exchange != other.Exchange {
		op.Exchange = ""
	}
	if op.RoutingKey != other.RoutingKey {
		op.RoutingKey = ""
	}
	if op.Queue != other.Queue {
		op.Queue = ""
	}
	return op
}

// run calls handle and ends the span.
func (c *Channel) run(ctx context.Context, span trace.Span, p *plan, began time.Time, handle func(context.Context) error) (err error) {
	err = errPanicked
	defer func() { c.endProcess(ctx, span, p, began, err) }()
	err = handle(ctx)
	return err
}

func (c *Channel) endProcess(ctx context.Context, span trace.Span, p *plan, began time.Time, err error) {
	if p.filtered {
		return
	}
	err = c.inst.config.failure(err)
	c.inst.metrics.recordProcess(ctx, p, began, err)
	endSpan(span, err)
}

func (c *Channel) processAttributes(ctx context.Context, span trace.Span, creation trace.SpanContext, d *amqp.Delivery) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 8)
	attrs = append(attrs, AttemptKey.Int(c.Attempt(d)))
	if creation.IsValid() {
		if origin := originOf(d.Headers, creation); origin != span.SpanContext().TraceID() {
			attrs = append(attrs, OriginKey.String(origin.String()))
		}
	}
	return c.deliveryAttributes(deadLetterAttributes(attrs, d.Headers), ctx, d)
}

// deliveryAttributes appends what the conventions and the user tell of one
// delivery.
func (c *Channel) deliveryAttributes(attrs []attribute.KeyValue, ctx context.Context, d *amqp.Delivery) []attribute.KeyValue {
	attrs = c.inst.messageAttributes(append(attrs, deliveryTag(d.DeliveryTag)), d.MessageId, d.CorrelationId, len(d.Body))
	if c.inst.config.deliveryAttributes != nil {
		attrs = append(attrs, c.inst.config.deliveryAttributes(ctx, d)...)
	}
	return attrs
}

func deliveryTag(tag uint64) attribute.KeyValue {
	return semconv.MessagingRabbitMQMessageDeliveryTag(int(tag))
}

// operation is the one of that name on a delivery.
func (c *Channel) operation(name string, d *amqp.Delivery) Operation {
	subscription, _ := c.subscription(d)
	return Operation{Name: name, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Queue: subscription.queue}
}
