package otelamqp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

var w3c = propagation.TraceContext{}

// remoteContext is a context whose span is that of traceparent.
func remoteContext(t *testing.T) context.Context {
	return w3c.Extract(t.Context(), propagation.MapCarrier{"traceparent": traceparent})
}

// tracedChannel wraps ch and returns what its spans are recorded in.
func tracedChannel(ch *amqp.Channel, opts ...Option) (*Channel, *tracetest.SpanRecorder, trace.TracerProvider) {
	recorder := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	opts = append([]Option{WithTracerProvider(tp), WithPropagator(w3c), WithServerAddress("127.0.0.1", 5672)}, opts...)
	return NewChannel(ch, opts...), recorder, tp
}

func onlySpan(t *testing.T, recorder *tracetest.SpanRecorder) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := recorder.Ended()
	require.Len(t, spans, 1)
	return spans[0]
}

func delivery(headers amqp.Table, body string) *amqp.Delivery {
	return &amqp.Delivery{
		Headers: headers, Body: []byte(body), ConsumerTag: "c", DeliveryTag: 7,
		Exchange: "user.events", RoutingKey: "user.logged_in", MessageId: "m1", CorrelationId: "conv",
	}
}

func TestProcessSpanFollowsTheConventions(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{}, WithBodySize())
	ch.consumers.set("c", subscription{queue: "audit"})

	err := ch.Process(t.Context(), delivery(amqp.Table{"traceparent": traceparent}, "body"), func(context.Context) error { return nil })
	require.NoError(t, err)

	span := onlySpan(t, recorder)
	assert.Equal(t, "process user.events:user.logged_in:audit", span.Name())
	assert.Equal(t, trace.SpanKindConsumer, span.SpanKind())
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", span.SpanContext().TraceID().String())
	assert.Equal(t, "b7ad6b7169203331", span.Parent().SpanID().String())
	assert.Equal(t, codes.Unset, span.Status().Code)
	assert.ElementsMatch(t, []attribute.KeyValue{
		attribute.String("messaging.system", "rabbitmq"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", "user.events:user.logged_in:audit"),
		attribute.String("messaging.rabbitmq.destination.routing_key", "user.logged_in"),
		attribute.Int("messaging.rabbitmq.message.delivery_tag", 7),
		attribute.String("messaging.message.id", "m1"),
		attribute.String("messaging.message.conversation_id", "conv"),
		attribute.Int("messaging.message.body.size", 4),
		attribute.Int("throughline.message.attempt", 1),
		attribute.String("server.address", "127.0.0.1"),
		attribute.Int("server.port", 5672),
	}, span.Attributes())
}

func TestProcessReadsTheEnvelopeWhenHeadersHoldNoContext(t *testing.T) {
	body := `{"carrier": {"traceparent": "` + traceparent + `"}, "payload": {}}`
	ch, recorder, _ := tracedChannel(&amqp.Channel{}, WithBodyEnvelope())
	_ = ch.Process(t.Context(), delivery(amqp.Table{"traceparent": int32(1)}, body), func(context.Context) error { return nil })
	assert.Equal(t, "b7ad6b7169203331", onlySpan(t, recorder).Parent().SpanID().String())

	unasked, recorder, _ := tracedChannel(&amqp.Channel{})
	_ = unasked.Process(t.Context(), delivery(nil, body), func(context.Context) error { return nil })
	assert.False(t, onlySpan(t, recorder).Parent().IsValid())
}

func TestProcessStartsANewTraceWithoutAValidContext(t *testing.T) {
	headers := []amqp.Table{nil, {"traceparent": "00-zz-zz-01"}, {"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}}
	for _, value := range everyAMQPType {
		headers = append(headers, amqp.Table{"traceparent": value})
	}
	for _, h := range headers {
		ch, recorder, _ := tracedChannel(&amqp.Channel{})
		_ = ch.Process(t.Context(), delivery(h, "body"), func(context.Context) error { return nil })
		span := onlySpan(t, recorder)
		assert.True(t, span.SpanContext().IsValid())
		assert.False(t, span.Parent().IsValid(), "%v", h)
	}
}

func TestProcessLinksTheAmbientSpan(t *testing.T) {
	ch, recorder, tp := tracedChannel(&amqp.Channel{})
	ctx, ambient := tp.Tracer("test").Start(t.Context(), "poll")

	_ = ch.Process(ctx, delivery(amqp.Table{"traceparent": traceparent}, ""), func(context.Context) error { return nil })

	span := onlySpan(t, recorder)
	assert.Equal(t, "b7ad6b7169203331", span.Parent().SpanID().String())
	require.Len(t, span.Links(), 1)
	assert.Equal(t, ambient.SpanContext().SpanID(), span.Links()[0].SpanContext.SpanID())
}

func TestProcessRecordsTheFailure(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{})
	failure := errors.New("disk full")
	err := ch.Process(t.Context(), delivery(nil, ""), func(context.Context) error { return failure })
	assert.Equal(t, failure, err)
	span := onlySpan(t, recorder)
	assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: "disk full"}, span.Status())
	assert.Contains(t, span.Attributes(), attribute.String("error.type", "*errors.errorString"))
}

// An error may repeat a whole message, and headers are the peer's to choose.
func TestNoTextOfASpanIsLongerThanTheLimit(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{})
	giant := strings.Repeat("€", 3<<20)
	d := delivery(amqp.Table{"x-death": []any{amqp.Table{"queue": giant[:6000], "reason": giant[:6000]}}}, "")
	d.MessageId, d.CorrelationId, d.RoutingKey = giant, giant, giant
	_ = ch.Process(t.Context(), d, func(context.Context) error { return errors.New(giant) })
	span := onlySpan(t, recorder)
	texts := []string{span.Name(), span.Status().Description}
	for _, kv := range span.Attributes() {
		texts = append(texts, kv.Value.String())
	}
	for _, text := range texts {
		assert.LessOrEqual(t, len(text), maxText)
		assert.True(t, utf8.ValidString(text))
	}
	assert.Equal(t, giant[:maxText-maxText%3], span.Status().Description)
}

func TestProcessEndsTheSpanOfAPanic(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{})
	assert.Panics(t, func() {
		_ = ch.Process(t.Context(), delivery(nil, ""), func(context.Context) error { panic("boom") })
	})
	span := onlySpan(t, recorder)
	assert.Equal(t, codes.Error, span.Status().Code)
	assert.Contains(t, span.Attributes(), attribute.String("error.type", "panic"))
}
