package otelamqp

import (
	"context"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Publish is [Channel.PublishWithContext] with a background context.
func (c *Channel) Publish(exchange, key string, mandatory, immediate bool, msg amqp.Publishing) error {
	return c.PublishWithContext(context.Background(), exchange, key, mandatory, immediate, msg)
}

// PublishWithContext publishes within a PRODUCER span named
// "send {exchange}:{routing key}", a child of the span in ctx, and puts that
// span's context into a copy of msg.Headers. The span ends when the message has been written or, on a channel in confirm mode, when
// the broker has answered.
//
// Headers with the context of another trace, as those of a delivery that is
// published again, become a link of the span, and [OriginHeader] names that trace.
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
	if mandatory {
		c.listen() // before the message can come back
	}
	s := c.startSend(ctx, exchange, key, mandatory, &msg)
	confirm, err := c.Channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, mandatory, immediate, msg)
	if err != nil || confirm == nil {
		s.end(err)
		return nil, err
	}
	d := &DeferredConfirmation{DeferredConfirmation: confirm, send: s, mandatory: mandatory}
	if s.observed() {
		c.listen().await(d) // the span must end with the broker's answer, also when nobody waits for it
	}
	return d, nil
}

// send is one publish under way.
type send struct {
	channel     *Channel
	plan        *plan
	ctx         context.Context
	span        trace.Span
	began       time.Time
	publishedAt int64
	losses      int64 // of the channel, so far
}

// startSend starts the span and replaces the headers of msg.
func (c *Channel) startSend(ctx context.Context, exchange, key string, mandatory bool, msg *amqp.Publishing) send {
	p := c.inst.plan(Operation{Name: OperationSend, Exchange: exchange, RoutingKey: key})
	s := send{channel: c, plan: p, ctx: ctx, span: noop.Span{}, began: time.Now(), losses: c.settlements.losses()}
	var origin trace.TraceID
	if !p.filtered {
		var links []trace.Link
		if earlier := c.inst.earlier(ctx, msg.Headers); earlier.IsValid() {
			links = []trace.Link{{SpanContext: earlier}}
			origin = originOf(msg.Headers, earlier)
		}
		s.ctx, s.span = c.inst.tracer.Start(ctx, p.name, p.startWith(links)...)
		if s.span.IsRecording() {
			s.span.SetAttributes(c.inst.publishingAttributes(ctx, msg)...)
		}
	}
	msg.Headers = c.inst.inject(s.ctx, msg.Headers)
	if mandatory || c.inst.config.publishedAt { // the broker's return is known by it
		s.publishedAt = c.clock.unique(s.began)
		msg.Headers[PublishedAtHeader] = s.publishedAt
	} else {
		delete(msg.Headers, PublishedAtHeader) // of a message that is published again
	}
	if origin.IsValid() {
		msg.Headers[OriginHeader] = origin.String()
	}
	return s
}

// clock gives each message of a channel a time of its own.
type clock struct{ last atomic.Int64 }

// unique is the time in nanoseconds, later than any that it has returned before.
func (c *clock) unique(now time.Time) int64 {
	for {
		last := c.last.Load()
		next := max(now.UnixNano(), last+1)
		if c.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

func (i *Instrumentation) publishingAttributes(ctx context.Context, msg *amqp.Publishing) []attribute.KeyValue {
	attrs := i.messageAttributes(nil, msg.MessageId, msg.CorrelationId, len(msg.Body))
	if i.config.publishAttributes != nil {
		shown := *msg // escapes, and msg must not: every message would be on the heap
		attrs = append(attrs, i.config.publishAttributes(ctx, &shown)...)
	}
	return attrs
}

// messageAttributes appends what the conventions tell of a single message.
func (i *Instrumentation) messageAttributes(attrs []attribute.KeyValue, messageID, conversationID string, bodySize int) []attribute.KeyValue {
	attrs = idAttributes(attrs, messageID, conversationID)
	if i.config.bodySize {
		attrs = append(attrs, semconv.MessagingMessageBodySize(bodySize))
	}
	return attrs
}

func idAttributes(attrs []attribute.KeyValue, messageID, conversationID string) []attribute.KeyValue {
	if messageID != "" {
		attrs = append(attrs, semconv.MessagingMessageID(valid(messageID)))
	}
	if conversationID != "" {
		attrs = append(attrs, semconv.MessagingMessageConversationID(valid(conversationID)))
	}
	return attrs
}

// observed tells whether anybody will see how the publish ended.
func (s *send) observed() bool {
	return s.span.IsRecording() || !s.plan.filtered && s.channel.inst.metrics.enabled(s.ctx)
}

func (s *send) end(err error) {
	err = s.channel.inst.config.failure(err)
	if !s.plan.filtered {
		s.channel.inst.metrics.recordSend(s.ctx, s.plan, s.began, err)
	}
	endSpan(s.span, err)
}
