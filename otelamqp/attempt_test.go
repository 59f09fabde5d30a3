package otelamqp

import (
	"context"
	"math"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
)

func death(reason string, count any) amqp.Table {
	return amqp.Table{"queue": "audit", "reason": reason, "count": count}
}

func TestAttempt(t *testing.T) {
	ch, _, _ := tracedChannel(&amqp.Channel{}, WithAttemptHeader("x-attempts"))
	for _, tc := range []struct {
		name     string
		delivery amqp.Delivery
		attempt  int
	}{
		{"first", amqp.Delivery{}, 1},
		{"redelivered", amqp.Delivery{Redelivered: true}, 2},
		{"rejected twice", amqp.Delivery{Headers: amqp.Table{"x-death": []any{death("rejected", int64(2))}}}, 3},
		{"rejected by two queues", amqp.Delivery{Headers: amqp.Table{"x-death": []any{death("rejected", int64(1)), death("rejected", int64(1))}}}, 3},
		{"waited in a delay queue", amqp.Delivery{Headers: amqp.Table{"x-death": []any{death("expired", int64(4))}}}, 1},
		{"quorum queue", amqp.Delivery{Headers: amqp.Table{"x-delivery-count": int64(3)}}, 4},
		{"counted by the application", amqp.Delivery{Headers: amqp.Table{"x-attempts": int32(5)}}, 6},
		{"the best evidence", amqp.Delivery{Redelivered: true, Headers: amqp.Table{"x-attempts": int32(1), "x-delivery-count": int64(4)}}, 5},
		{"negative", amqp.Delivery{Headers: amqp.Table{"x-attempts": int64(-7)}}, 1},
		{"boundless", amqp.Delivery{Headers: amqp.Table{"x-death": []any{death("rejected", int64(math.MaxInt64)), death("rejected", int64(math.MaxInt64))}}}, maxAttempts + 1},
		{"nonsense", amqp.Delivery{Headers: amqp.Table{"x-death": []any{"rejected", nil, amqp.Table{}, death("rejected", "many")}, "x-attempts": amqp.Table{}}}, 1},
		{"no list", amqp.Delivery{Headers: amqp.Table{"x-death": "rejected"}}, 1},
	} {
		assert.Equal(t, tc.attempt, ch.Attempt(&tc.delivery), tc.name)
	}
	unconfigured, _, _ := tracedChannel(&amqp.Channel{})
	assert.Equal(t, 1, unconfigured.Attempt(&amqp.Delivery{Headers: amqp.Table{"": int32(9)}}))
}

func TestDeadLetterIsTold(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{})
	d := delivery(amqp.Table{"x-death": []any{death("rejected", int64(1)), death("expired", int64(9))}}, "")
	_ = ch.Process(t.Context(), d, func(context.Context) error { return nil })
	assert.Subset(t, onlySpan(t, recorder).Attributes(), []attribute.KeyValue{
		attribute.Int("throughline.message.attempt", 2),
		attribute.String("throughline.message.dead_letter.queue", "audit"),
		attribute.String("throughline.message.dead_letter.reason", "rejected"),
	})
}
