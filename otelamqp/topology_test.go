package otelamqp

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
)

// traceID and spanID are those of traceparent.
const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

func TestUserChoosesWhenATraceBegins(t *testing.T) {
	old := time.Now().Add(-time.Hour).UnixNano()
	for _, tc := range []struct {
		name     string
		option   Option
		delivery amqp.Delivery
		begins   bool
	}{
		{"linked", WithLinkedTraces(), amqp.Delivery{}, true},
		{"redelivered", WithNewTraceOnRedelivery(), amqp.Delivery{Redelivered: true}, true},
		{"first delivery", WithNewTraceOnRedelivery(), amqp.Delivery{}, false},
		{"older", WithNewTraceAfter(time.Minute), amqp.Delivery{Headers: amqp.Table{PublishedAtHeader: old}}, true},
		{"younger", WithNewTraceAfter(2 * time.Hour), amqp.Delivery{Headers: amqp.Table{PublishedAtHeader: old}}, false},
		{"of unknown age", WithNewTraceAfter(time.Nanosecond), amqp.Delivery{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ch, recorder, _ := tracedChannel(&amqp.Channel{}, tc.option)
			d := tc.delivery
			if d.Headers == nil {
				d.Headers = amqp.Table{}
			}
			d.Headers["traceparent"] = traceparent
			_ = ch.Process(t.Context(), &d, func(context.Context) error { return nil })
			span := onlySpan(t, recorder)
			origin := attribute.String("throughline.message.origin.trace_id", traceID)
			if !tc.begins {
				assert.Equal(t, spanID, span.Parent().SpanID().String())
				assert.Empty(t, span.Links())
				assert.NotContains(t, span.Attributes(), origin)
				return
			}
			assert.False(t, span.Parent().IsValid())
			assert.NotEqual(t, traceID, span.SpanContext().TraceID().String())
			require.Len(t, span.Links(), 1)
			assert.Equal(t, spanID, span.Links()[0].SpanContext.SpanID().String())
			assert.Contains(t, span.Attributes(), origin)
		})
	}
}

func TestLinkedSpanIsAChildOfTheAmbientSpan(t *testing.T) {
	ch, recorder, tp := tracedChannel(&amqp.Channel{}, WithLinkedTraces())
	ctx, ambient := tp.Tracer("test").Start(t.Context(), "poll")
	_ = ch.Process(ctx, delivery(amqp.Table{"traceparent": traceparent}, ""), func(context.Context) error { return nil })
	span := onlySpan(t, recorder)
	assert.Equal(t, ambient.SpanContext().SpanID(), span.Parent().SpanID())
	require.Len(t, span.Links(), 1)
	assert.Equal(t, spanID, span.Links()[0].SpanContext.SpanID().String())
}

// A message that is published again with its headers stays findable from its
// first trace, however many traces it goes through.
func TestRepublishedMessageNamesItsFirstTrace(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{}, WithLinkedTraces(), WithPublishedAt())
	headers := amqp.Table{"traceparent": traceparent, "tracestate": "vendor=old", "tenant": "a"}
	for range 3 {
		d := delivery(headers, "")
		_ = ch.Process(t.Context(), d, func(ctx context.Context) error {
			again := amqp.Publishing{Headers: d.Headers}
			s := ch.startSend(ctx, "", "retry", false, &again)
			s.end(nil)
			headers = again.Headers
			return nil
		})
		spans := recorder.Ended()
		send, process := spans[len(spans)-2], spans[len(spans)-1]
		assert.Contains(t, process.Attributes(), attribute.String("throughline.message.origin.trace_id", traceID))
		require.Len(t, send.Links(), 1, "to the message's earlier context")
		assert.Equal(t, process.Links()[0].SpanContext.SpanID(), send.Links()[0].SpanContext.SpanID())
		assert.Equal(t, traceID, headers[OriginHeader])
		assert.NotContains(t, headers, "tracestate", "it belongs to the earlier context")
		assert.Equal(t, "a", headers["tenant"])
		assert.Contains(t, d.Headers, "traceparent", "the caller's table is the caller's")
		assert.NotEqual(t, d.Headers[PublishedAtHeader], headers[PublishedAtHeader])
	}
}

func TestRepublishWithinTheTraceNeedsNoLink(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{})
	d := delivery(amqp.Table{"traceparent": traceparent}, "")
	again := amqp.Publishing{Headers: d.Headers}
	_ = ch.Process(t.Context(), d, func(ctx context.Context) error {
		s := ch.startSend(ctx, "", "retry", false, &again)
		s.end(nil)
		return nil
	})
	send := recorder.Ended()[0]
	assert.Empty(t, send.Links())
	assert.NotContains(t, again.Headers, OriginHeader)
	assert.Contains(t, again.Headers["traceparent"], send.SpanContext().SpanID().String())
}

var withBaggage = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

func TestBaggageCrossesByAllowListOnly(t *testing.T) {
	ctx := withBaggage.Extract(t.Context(), propagation.MapCarrier{"traceparent": traceparent, "baggage": "tenant=a,token=secret"})
	for _, tc := range []struct {
		name    string
		allowed []string
		crosses string
	}{{"none", nil, ""}, {"one", []string{"tenant"}, "tenant=a"}, {"all", []string{"*"}, "tenant=a,token=secret"}} {
		t.Run(tc.name, func(t *testing.T) {
			ch, _, _ := tracedChannel(&amqp.Channel{}, WithPropagator(withBaggage), WithBaggage(tc.allowed...))
			msg := amqp.Publishing{Headers: amqp.Table{"baggage": "token=stale"}}
			s := ch.startSend(ctx, "", "q", false, &msg)
			s.end(nil)
			carried, _ := msg.Headers["baggage"].(string)
			assert.ElementsMatch(t, members(tc.crosses), members(carried))

			d := delivery(amqp.Table{"traceparent": traceparent, "baggage": "tenant=a,token=secret"}, "")
			_ = ch.Process(t.Context(), d, func(ctx context.Context) error {
				carrier := propagation.MapCarrier{}
				propagation.Baggage{}.Inject(ctx, carrier)
				assert.ElementsMatch(t, members(tc.crosses), members(carrier["baggage"]))
				return nil
			})
		})
	}
}

func TestConsumersOwnBaggageIsKept(t *testing.T) {
	ch, _, _ := tracedChannel(&amqp.Channel{}, WithPropagator(withBaggage))
	ctx := propagation.Baggage{}.Extract(t.Context(), propagation.MapCarrier{"baggage": "worker=7"})
	_ = ch.Process(ctx, delivery(amqp.Table{"traceparent": traceparent, "baggage": "token=secret"}, ""), func(ctx context.Context) error {
		carrier := propagation.MapCarrier{}
		propagation.Baggage{}.Inject(ctx, carrier)
		assert.Equal(t, "worker=7", carrier["baggage"])
		return nil
	})
}
