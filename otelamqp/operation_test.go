package otelamqp

import (
	"context"
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

func TestDestinations(t *testing.T) {
	for _, tc := range []struct{ exchange, key, queue, destination string }{
		{"user.events", "user.logged_in", "", "user.events:user.logged_in"},
		{"user.events", "user.logged_in", "audit", "user.events:user.logged_in:audit"},
		{"user.events", "audit", "audit", "user.events:audit"},
		{"", "audit", "audit", "audit"},
		{"logs", "", "", "logs"},
		{"logs", "", "q", "logs:q"},
		{"", "key", "", "key"},
		{"", "", "", "amq.default"},
	} {
		assert.Equal(t, tc.destination, Operation{Exchange: tc.exchange, RoutingKey: tc.key, Queue: tc.queue}.destination())
	}
}

// What the peer names may be anything: it must not fill the memory.
func TestPlansAreBounded(t *testing.T) {
	ch, _, _ := tracedChannel(&amqp.Channel{})
	for i := range 2 * maxKept {
		key := fmt.Sprint("key ", i)
		assert.Equal(t, "send "+key, ch.inst.plan(Operation{Name: OperationSend, RoutingKey: key}).name)
	}
	assert.Len(t, ch.inst.plans.kept, maxKept)
	for i := range 2 * maxKept {
		ch.inst.temporary.add(fmt.Sprint(i))
		assert.True(t, ch.inst.temporary.has(fmt.Sprint(i)))
	}
	assert.LessOrEqual(t, len(ch.inst.temporary.kept), maxKept)
}

func TestSpanNameIsTheUsersToChoose(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{}, WithSpanName(func(op Operation) string { return op.Name + " of " + op.RoutingKey }))
	_ = ch.Process(t.Context(), delivery(nil, ""), func(context.Context) error { return nil })
	assert.Equal(t, "process of user.logged_in", onlySpan(t, recorder).Name())
}

func TestAttributesAreTheUsersToAdd(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{},
		WithAttributes(attribute.String("messaging.client.id", "me")),
		WithDeliveryAttributes(func(_ context.Context, d *amqp.Delivery) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("app.id", d.AppId)}
		}))
	d := delivery(nil, "")
	d.AppId = "shop"
	_ = ch.Process(t.Context(), d, func(context.Context) error { return nil })
	assert.Subset(t, onlySpan(t, recorder).Attributes(), []attribute.KeyValue{attribute.String("messaging.client.id", "me"), attribute.String("app.id", "shop")})
}

func TestFilteredOperationLetsTheContextThrough(t *testing.T) {
	ch, recorder, tp := tracedChannel(&amqp.Channel{}, WithFilter(func(op Operation) bool { return op.RoutingKey != "user.logged_in" }))
	var inside trace.SpanContext
	handle := func(ctx context.Context) error {
		inside = trace.SpanContextFromContext(ctx)
		return nil
	}
	_ = ch.Process(t.Context(), delivery(amqp.Table{"traceparent": traceparent}, ""), handle)
	assert.Equal(t, "b7ad6b7169203331", inside.SpanID().String(), "the producer's span is the parent of what the handler does")

	ctx, ambient := tp.Tracer("test").Start(t.Context(), "ambient")
	_ = ch.Process(ctx, delivery(nil, ""), handle)
	assert.Equal(t, ambient.SpanContext(), inside)
	assert.True(t, ambient.IsRecording(), "the caller's span is the caller's to end")
	assert.Empty(t, recorder.Ended())

	msg := amqp.Publishing{}
	s := ch.startSend(ctx, "", "user.logged_in", false, &msg)
	s.end(nil)
	assert.Contains(t, msg.Headers["traceparent"], ambient.SpanContext().SpanID().String())
	assert.True(t, ambient.IsRecording())
	assert.Empty(t, recorder.Ended())
}
