package otelamqp

import (
	"context"
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
// span's context and [PublishedAtHeader] into a copy of msg.Headers. The span
// ends when the message has been written or, on a channel in confirm mode, when
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
	s := c.startSend(ctx, exchange, key, &msg)
	confirm, err := c.Channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, mandatory, immediate, msg)
	if err != nil || confirm == nil {
		s.end(err)
		return nil, err
	}
	d := &DeferredConfirmation{DeferredConfirmation: confirm, send: s, mandatory: mandatory}
	if s.observed() {
		// The span must end with the broker's answer, also when nobody waits for it.
		// amqp091-go resolves every confirmation when the channel closes, so this
		// goroutine ends with the channel at the latest.
		go func() {
			<-confirm.Done()
			d.resolve()
		}()
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
func (c *Channel) startSend(ctx context.Context, exchange, key string, msg *amqp.Publishing) send {
	s := send{channel: c, plan: c.plan(Operation{Name: opSend, Exchange: exchange, RoutingKey: key}), ctx: ctx, span: noop.Span{}, began: time.Now(), losses: c.watch.losses.Load()}
	s.publishedAt = c.publishedAt(s.began)
	var origin trace.TraceID
	if !s.plan.filtered {
		var links []trace.Link
		if earlier := c.earlier(ctx, msg.Headers); earlier.IsValid() {
			links = []trace.Link{{SpanContext: earlier}}
			origin = originOf(msg.Headers, earlier)
		}
		s.ctx, s.span = c.tracer.Start(ctx, s.plan.name, s.plan.startWith(links)...)
		if s.span.IsRecording() {
			s.span.SetAttributes(c.publishingAttributes(ctx, msg)...)
		}
	}
	msg.Headers = c.inject(s.ctx, msg.Headers)
	msg.Headers[PublishedAtHeader] = s.publishedAt
	if origin.IsValid() {
		msg.Headers[OriginHeader] = origin.String()
	}
	return s
}

// publishedAt is the time, later than that of any other message of this channel.
func (c *Channel) publishedAt(now time.Time) int64 {
	for {
		last := c.lastPublished.Load()
		next := max(now.UnixNano(), last+1)
		if c.lastPublished.CompareAndSwap(last, next) {
			return next
		}
	}
}

func (c *Channel) publishingAttributes(ctx context.Context, msg *amqp.Publishing) []attribute.KeyValue {
	attrs := c.messageAttributes(nil, msg.MessageId, msg.CorrelationId, len(msg.Body))
	if c.config.publishAttributes != nil {
		shown := *msg // escapes, and msg must not: every message would be on the heap
		attrs = append(attrs, c.config.publishAttributes(ctx, &shown)...)
	}
	return attrs
}

// messageAttributes appends what the conventions tell of a single message.
func (c *Channel) messageAttributes(attrs []attribute.KeyValue, messageID, conversationID string, bodySize int) []attribute.KeyValue {
	attrs = idAttributes(attrs, messageID, conversationID)
	if c.config.bodySize {
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
	return s.span.IsRecording() || !s.plan.filtered && s.channel.metrics.enabled(s.ctx)
}

func (s *send) end(err error) {
	if !s.plan.filtered {
		s.channel.metrics.recordSend(s.ctx, s.plan, s.began, err)
	}
	endSpan(s.span, err)
}
