package otelamqp

import (
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of process spans that the conventions do not have.
const (
	// AttemptKey is [Channel.Attempt] of the message.
	AttemptKey = attribute.Key("throughline.message.attempt")
	// OriginKey is the id of the first trace of a message, on spans that are in
	// another: one search finds every attempt.
	OriginKey = attribute.Key("throughline.message.origin.trace_id")
	// DeadLetterQueueKey and DeadLetterReasonKey tell from which queue and why
	// (rejected, expired, maxlen, delivery_limit) the broker last dead-lettered the
	// message, as its x-death header has it.
	DeadLetterQueueKey  = attribute.Key("throughline.message.dead_letter.queue")
	DeadLetterReasonKey = attribute.Key("throughline.message.dead_letter.reason")
)

// maxAttempts bounds what a header can claim.
const maxAttempts = 1 << 30

// Attempt counts the deliveries of a message to a handler, from 1, by the best
// evidence there is: how often x-death says that it was rejected, the
// x-delivery-count of a quorum queue, the application's own count (see
// [WithAttemptHeader]), and the redelivered flag. It is at most 2^30+1.
func (c *Channel) Attempt(d *amqp.Delivery) int {
	failed := max(rejections(d.Headers), integer(d.Headers["x-delivery-count"]))
	if c.inst.config.attemptHeader != "" {
		failed = max(failed, integer(d.Headers[c.inst.config.attemptHeader]))
	}
	if d.Redelivered {
		failed = max(failed, 1)
	}
	return int(failed) + 1
}

// rejections sums the deaths in x-death that a consumer is to blame for: a message
// that expired in a queue made for waiting has failed nowhere.
func rejections(headers amqp.Table) (n int64) {
	deaths, _ := headers["x-death"].([]any)
	for _, death := range deaths {
		if entry, ok := death.(amqp.Table); ok && (entry["reason"] == "rejected" || entry["reason"] == "delivery_limit") {
			n = min(maxAttempts, n+integer(entry["count"]))
		}
	}
	return n
}

// integer is a header's value between 0 and maxAttempts; anything else than an
// AMQP integer is 0.
func integer(value any) int64 {
	var n int64
	switch v := value.(type) {
	case int8:
		n = int64(v)
	case byte:
		n = int64(v)
	case int16:
		n = int64(v)
	case uint16:
		n = int64(v)
	case int32:
		n = int64(v)
	case uint32:
		n = int64(v)
	case int64:
		n = v
	}
	return min(max(0, n), maxAttempts)
}

// deadLetterAttributes tells of the newest death: the broker puts it first.
func deadLetterAttributes(attrs []attribute.KeyValue, headers amqp.Table) []attribute.KeyValue {
	deaths, _ := headers["x-death"].([]any)
	if len(deaths) == 0 {
		return attrs
	}
	newest, _ := deaths[0].(amqp.Table)
	for key, field := range map[attribute.Key]string{DeadLetterQueueKey: "queue", DeadLetterReasonKey: "reason"} {
		if value := HeaderCarrier(newest).Get(field); value != "" {
			attrs = append(attrs, key.String(valid(value)))
		}
	}
	return attrs
}

// originOf is the first trace of a message whose headers carry creation.
func originOf(headers amqp.Table, creation trace.SpanContext) trace.TraceID {
	if id, err := trace.TraceIDFromHex(HeaderCarrier(headers).Get(OriginHeader)); err == nil {
		return id
	}
	return creation.TraceID()
}
