package otelamqp

import (
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Ack is the wrapped channel's method, measured and, by [WithSettleSpans], within a
// CLIENT span named "ack {exchange}:{routing key}:{queue}", a child of the process
// span of the delivery. It is so for deliveries that this channel has got
// ([Channel.Get]) or has begun to process ([Channel.Process],
// [Channel.StartProcess], [Channel.ProcessBatch]), whether it is called here or by
// the delivery's own Ack.
func (c *Channel) Ack(tag uint64, multiple bool) error {
	return c.settle(opAck, tag, multiple, func(ch *amqp.Channel) error { return ch.Ack(tag, multiple) })
}

// Nack is the wrapped channel's method, traced as [Channel.Ack] is, as "nack …".
func (c *Channel) Nack(tag uint64, multiple, requeue bool) error {
	return c.settle(opNack, tag, multiple, func(ch *amqp.Channel) error { return ch.Nack(tag, multiple, requeue) })
}

// Reject is the wrapped channel's method, traced as [Channel.Ack] is, as
// "reject …".
func (c *Channel) Reject(tag uint64, requeue bool) error {
	return c.settle(opReject, tag, false, func(ch *amqp.Channel) error { return ch.Reject(tag, requeue) })
}

func (c *Channel) settle(name string, tag uint64, multiple bool, do func(*amqp.Channel) error) error {
	last, before, known := c.unsettled.take(tag, multiple)
	if !known {
		return do(c.Channel)
	}
	op := last.delivery
	for _, s := range before {
		op = op.and(s.delivery)
	}
	op.Name = name
	p := c.plan(op)
	if p.filtered {
		return do(c.Channel)
	}
	began, ctx, span := time.Now(), last.ctx, trace.Span(noop.Span{})
	if c.config.settleSpans {
		ctx, span = c.tracer.Start(ctx, p.name, p.startWith(links(ctx, append(before, last)))...)
	}
	if span.IsRecording() {
		attrs := idAttributes(nil, last.messageID, last.conversationID)
		for _, s := range before {
			attrs = intersection(attrs, idAttributes(nil, s.messageID, s.conversationID))
		}
		if multiple {
			attrs = append(attrs, semconv.MessagingBatchMessageCount(len(before)+1))
		}
		if tag != 0 { // all, which is no message's tag
			attrs = append(attrs, deliveryTag(tag))
		}
		span.SetAttributes(attrs...)
	}
	err := do(c.Channel)
	c.metrics.recordOperation(ctx, p, began, err)
	endSpan(span, err)
	return err
}

// links are to the contexts of the messages whose traces the span in ctx is not
// part of.
func links(ctx context.Context, settled []settlement) (links []trace.Link) {
	own := trace.SpanContextFromContext(ctx).TraceID()
	for _, s := range settled {
		if s.creation.IsValid() && s.creation.TraceID() != own {
			links = append(links, trace.Link{SpanContext: s.creation})
		}
	}
	return links
}

// settlement is what the span of settling a delivery needs to know of it.
type settlement struct {
	ctx                       context.Context
	delivery                  Operation // but for its name
	creation                  trace.SpanContext
	messageID, conversationID string
}

// traceSettlement makes the settling of d traced, as a child of the span in ctx. It
// leaves alone what came another way than by c: tags count by channel, and must
// not be mistaken for another's.
func (c *Channel) traceSettlement(ctx context.Context, op Operation, creation trace.SpanContext, d *amqp.Delivery) {
	if !c.config.settleSpans && !c.metrics.enabled(ctx) {
		return
	}
	if subscription, known := c.subscription(d); !known || subscription.autoAck {
		return
	}
	switch from := d.Acknowledger.(type) {
	case *amqp.Channel:
		if from != c.Channel {
			return
		}
		d.Acknowledger = c
	case *Channel:
		if from != c {
			return
		}
	case *received:
		if from.Channel != c {
			return
		}
	default:
		return
	}
	c.unsettled.add(d.DeliveryTag, settlement{ctx: ctx, delivery: op, creation: creation, messageID: d.MessageId, conversationID: d.CorrelationId})
}

// unsettled holds the deliveries that wait to be settled. The broker's prefetch
// bounds them.
type unsettled struct {
	mu    sync.Mutex
	byTag map[uint64]settlement
}

func (u *unsettled) add(tag uint64, s settlement) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byTag == nil {
		u.byTag = map[uint64]settlement{}
	}
	u.byTag[tag] = s
}

// take removes the delivery of that tag and, with multiple, all before it; a tag
// of 0 then means all (AMQP 0-9-1, basic.ack).
func (u *unsettled) take(tag uint64, multiple bool) (last settlement, before []settlement, known bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if multiple {
		lastTag := tag
		for t := range u.byTag {
			if tag == 0 {
				lastTag = max(lastTag, t)
			}
		}
		for t, s := range u.byTag {
			if t < lastTag {
				before = append(before, s)
				delete(u.byTag, t)
			}
		}
		tag = lastTag
	}
	last, known = u.byTag[tag]
	delete(u.byTag, tag)
	if !known && len(before) > 0 {
		last, before, known = before[0], before[1:], true
	}
	return last, before, known
}
