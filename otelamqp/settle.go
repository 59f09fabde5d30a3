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
	return c.settle(OperationAck, nil, tag, multiple, func(ch *amqp.Channel) error { return ch.Ack(tag, multiple) })
}

// Nack is the wrapped channel's method, traced as [Channel.Ack] is, as "nack …".
func (c *Channel) Nack(tag uint64, multiple, requeue bool) error {
	return c.settle(OperationNack, nil, tag, multiple, func(ch *amqp.Channel) error { return ch.Nack(tag, multiple, requeue) })
}

// Reject is the wrapped channel's method, traced as [Channel.Ack] is, as
// "reject …".
func (c *Channel) Reject(tag uint64, requeue bool) error {
	return c.settle(OperationReject, nil, tag, false, func(ch *amqp.Channel) error { return ch.Reject(tag, requeue) })
}

// Recover is the wrapped channel's method. What waits to be settled comes again, or
// is not waited for any more.
//
// Deprecated: as the wrapped channel's.
func (c *Channel) Recover(requeue bool) error {
	err := c.Channel.Recover(requeue)
	if err == nil {
		c.settlements.forget()
	}
	return err
}

// settle settles the delivery own, or the one of the tag if there is none.
func (c *Channel) settle(name string, own *settlement, tag uint64, multiple bool, do func(*amqp.Channel) error) error {
	last, before := c.settlements.take(own, tag, multiple)
	if last == nil {
		return do(c.Channel)
	}
	op := last.delivery
	for _, s := range before {
		op = op.and(s.delivery)
	}
	op.Name = name
	p := c.inst.plan(op)
	if p.filtered {
		return do(c.Channel)
	}
	began, ctx, span := time.Now(), last.ctx, trace.Span(noop.Span{})
	if c.inst.config.settleSpans {
		ctx, span = c.inst.tracer.Start(ctx, p.name, p.startWith(links(ctx, append(before, last)))...)
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
	failure := c.inst.config.failure(err)
	c.inst.metrics.recordOperation(ctx, p, began, failure)
	endSpan(span, failure)
	return err
}

// links are to the contexts of the messages whose traces the span in ctx is not
// part of.
func links(ctx context.Context, settled []*settlement) (links []trace.Link) {
	own := trace.SpanContextFromContext(ctx).TraceID()
	for _, s := range settled {
		if s.creation.IsValid() && s.creation.TraceID() != own {
			links = append(links, trace.Link{SpanContext: s.creation})
		}
	}
	return links
}

// settlement is what the span of settling a delivery needs to know of it, and takes
// the place of the delivery's Acknowledger.
type settlement struct {
	channel      *Channel
	subscription subscription
	got          bool // by Get
	unsettled    bool // and to be told of
	settling
}

type settling struct {
	ctx                       context.Context
	delivery                  Operation // but for its name
	creation                  trace.SpanContext
	messageID, conversationID string
}

// Ack implements amqp.Acknowledger.
func (s *settlement) Ack(tag uint64, multiple bool) error {
	return s.channel.settle(OperationAck, s, tag, multiple, func(ch *amqp.Channel) error { return ch.Ack(tag, multiple) })
}

// Nack implements amqp.Acknowledger.
func (s *settlement) Nack(tag uint64, multiple, requeue bool) error {
	return s.channel.settle(OperationNack, s, tag, multiple, func(ch *amqp.Channel) error { return ch.Nack(tag, multiple, requeue) })
}

// Reject implements amqp.Acknowledger.
func (s *settlement) Reject(tag uint64, requeue bool) error {
	return s.channel.settle(OperationReject, s, tag, false, func(ch *amqp.Channel) error { return ch.Reject(tag, requeue) })
}

// traceSettlement makes the settling of d traced, as a child of the span in ctx. It
// leaves alone what came another way than by c: tags count by channel, and must
// not be mistaken for another's.
func (c *Channel) traceSettlement(ctx context.Context, op Operation, creation trace.SpanContext, d *amqp.Delivery) {
	if !c.inst.config.settleSpans && !c.inst.metrics.enabled(ctx) {
		return
	}
	from, known := c.subscription(d)
	if !known || from.autoAck {
		return
	}
	s, own := d.Acknowledger.(*settlement)
	switch {
	case own && s.channel != c, !own && d.Acknowledger != amqp.Acknowledger(c.Channel):
		return
	case !own:
		s = &settlement{channel: c, subscription: from}
		d.Acknowledger = s
	}
	c.settlements.add(d.DeliveryTag, s, settling{ctx, op, creation, d.MessageId, d.CorrelationId})
}

const (
	// maxUnsettled bounds the memory for deliveries that are settled behind our back.
	// It is the largest prefetch that AMQP can ask for.
	maxUnsettled = 1<<16 - 1
	// maxLosses is how many losses of a channel may go unnoticed: the client waits 5 s
	// with each one more.
	maxLosses = 16
)

// settlements holds the deliveries that wait to be settled, which is over when the
// channel is lost: after amqp091-go's own recovery the tags begin anew.
//
// The client tells of a loss before it opens the channel again, and so before
// anything of the new channel is seen: who looks at the losses first, as all methods
// here do, mistakes nothing of the one for the other.
type settlements struct {
	mu    sync.Mutex
	byTag map[uint64]*settlement
	lost  <-chan *amqp.Error
	times int64
}

func newSettlements(ch *amqp.Channel) settlements {
	return settlements{byTag: map[uint64]*settlement{}, lost: ch.NotifyClose(make(chan *amqp.Error, maxLosses))}
}

// lock also looks at the losses.
func (u *settlements) lock() {
	u.mu.Lock()
	for {
		select {
		case _, open := <-u.lost:
			if !open {
				u.lost = nil
			}
			u.times++
			clear(u.byTag)
		default:
			return
		}
	}
}

// losses is how often the channel was lost.
func (u *settlements) losses() int64 {
	u.lock()
	defer u.mu.Unlock()
	return u.times
}

func (u *settlements) forget() {
	u.lock()
	defer u.mu.Unlock()
	clear(u.byTag)
}

func (u *settlements) add(tag uint64, s *settlement, told settling) {
	u.lock()
	defer u.mu.Unlock()
	s.settling, s.unsettled = told, true
	if len(u.byTag) >= maxUnsettled {
		clear(u.byTag)
	}
	u.byTag[tag] = s
}

// take removes the delivery of that tag and, with multiple, all before it; a tag
// of 0 then means all (AMQP 0-9-1, basic.ack). An own delivery need not be of this
// session; then it stands for itself alone. There is no last when nothing is known.
func (u *settlements) take(own *settlement, tag uint64, multiple bool) (last *settlement, before []*settlement) {
	u.lock()
	defer u.mu.Unlock()
	if own != nil && u.byTag[tag] != own {
		if !own.unsettled {
			return nil, nil
		}
		own.unsettled = false
		return own, nil
	}
	if multiple {
		lastTag := tag
		for t := range u.byTag {
			if tag == 0 {
				lastTag = max(lastTag, t)
			}
		}
		for t, s := range u.byTag {
			if t < lastTag {
				s.unsettled = false
				before = append(before, s)
				delete(u.byTag, t)
			}
		}
		tag = lastTag
	}
	if last = u.byTag[tag]; last != nil {
		last.unsettled = false
		delete(u.byTag, tag)
	} else if len(before) > 0 {
		last, before = before[0], before[1:]
	}
	return last, before
}
