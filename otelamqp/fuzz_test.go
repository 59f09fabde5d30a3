package otelamqp

import (
	"context"
	"encoding/json"
	"maps"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// FuzzExtract processes a delivery whose headers, names and body a stranger has
// chosen. Each value comes as text and is given the AMQP type that kinds asks for.
func FuzzExtract(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0}, traceparent, "vendor=1", "tenant=a", "audit", int64(1), []byte("body"))
	f.Add([]byte{1, 1, 1, 1, 1, 1}, traceparent, "vendor=1", "tenant=a;p=1,b=%20", traceID, int64(-1), []byte(`{"carrier":{"traceparent":"`+traceparent+`"},"payload":{}}`))
	f.Add([]byte{2, 3, 4, 5, 6, 7}, "00-zz-zz-01", "=,=,", "=;=,%zz", "\xff", int64(1)<<62, []byte(`{"carrier":`))
	f.Add([]byte{8, 9, 10, 11, 12, 13}, "ff-"+traceID+"-"+spanID+"-01-more", "a=b,a=b", "", "", int64(0), []byte(`{"carrier":{},"payload":null}`))
	f.Add([]byte{14, 15, 16, 0, 0, 17}, "", "", "", "rejected", int64(2), []byte{})

	f.Fuzz(func(t *testing.T, kinds []byte, traceparent, tracestate, bag, name string, number int64, body []byte) {
		recorder := tracetest.NewSpanRecorder()
		always := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sdktrace.AlwaysSample()))
		ch, _, _ := tracedChannel(&amqp.Channel{}, WithTracerProvider(always), WithPropagator(withBaggage), WithBaggage("tenant"), WithAttemptHeader("x-attempts"),
			WithBodyEnvelope(), WithNewTraceOnRedelivery(), WithNewTraceAfter(time.Hour))
		kind := func(i int) byte {
			if i < len(kinds) {
				return kinds[i]
			}
			return 0
		}
		headers := amqp.Table{
			"traceparent": typed(kind(0), traceparent, number), "tracestate": typed(kind(1), tracestate, number),
			"baggage": typed(kind(2), bag, number), "x-attempts": typed(kind(3), name, number),
			PublishedAtHeader: typed(kind(4), name, number), OriginHeader: typed(kind(4), name, number),
			"x-death": []any{typed(kind(5), name, number), amqp.Table{"queue": typed(kind(5), name, number), "reason": name, "count": typed(kind(3), name, number)}},
		}
		before := maps.Clone(headers)
		d := &amqp.Delivery{Headers: headers, Exchange: name, RoutingKey: name, MessageId: name, CorrelationId: bag, ConsumerTag: "c", Body: body, Redelivered: number%2 == 0}

		again := amqp.Publishing{Headers: headers, MessageId: name}
		err := ch.Process(context.Background(), d, func(ctx context.Context) error {
			s := ch.startSend(ctx, name, name, true, &again)
			s.end(nil)
			return nil
		})

		if err != nil {
			t.Fatal(err)
		}
		if len(headers) != len(before) {
			t.Fatal("the delivery's headers have changed")
		}
		spans := recorder.Ended()
		if len(spans) != 2 {
			t.Fatalf("%d spans of one send and one process", len(spans))
		}
		for _, s := range spans {
			if !utf8.ValidString(s.Name()) {
				t.Fatalf("the span's name %q is not text", s.Name())
			}
			for _, kv := range s.Attributes() {
				if v := kv.Value.String(); !utf8.ValidString(v) || len(v) > maxCarrierValue {
					t.Fatalf("attribute %s is %q", kv.Key, v)
				}
			}
		}
		carried := trace.SpanContextFromContext(withBaggage.Extract(context.Background(), HeaderCarrier(again.Headers)))
		if carried.SpanID() != spans[0].SpanContext().SpanID() {
			t.Fatalf("published %v; want the context of the send span %v", again.Headers["traceparent"], spans[0].SpanContext())
		}
		if err := again.Headers.Validate(); err != nil && headers.Validate() == nil {
			t.Fatalf("the headers cannot be published any more: %v", err)
		}
	})
}

// typed is a value of one of the types that an AMQP table can hold.
func typed(kind byte, text string, number int64) any {
	return []any{
		text, []byte(text), number, int32(number), uint32(number), int16(number), uint16(number), int8(number), byte(number),
		float32(number), float64(number), number%2 == 0, nil, time.Unix(number, 0), amqp.Decimal{Scale: byte(number), Value: int32(number)},
		amqp.Table{text: text}, []any{text, number}, []any{amqp.Table{text: []any{}}},
	}[kind%18]
}

// FuzzUnwrapBody reads any body: it is an envelope, or it is left alone.
func FuzzUnwrapBody(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "body", `{"carrier":{},"payload":null}`, `{"carrier":{"traceparent":"` + traceparent + `"},"payload":{"userId":1}}`,
		`{"carrier":{"a":1},"payload":{}}`, `{"carrier":{},"payload":{}} more`, `{"payload":[[[[]]]],"carrier":{"":""}}`, `{"CARRIER":{},"payload":1e999}`,
		`{"carrier":{},"carrier":null,"payload":"\ud800"}`, "{\"carrier\":{\"\xff\":\"\xff\"},\"payload\":0}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		payload, carrier := UnwrapBody(body)
		if carrier == nil {
			if string(payload) != string(body) {
				t.Fatalf("%q is no envelope, but became %q", body, payload)
			}
			return
		}
		if !json.Valid(payload) {
			t.Fatalf("the payload %q is not JSON", payload)
		}
		for key, value := range carrier {
			if len(value) > maxCarrierValue {
				t.Fatalf("%s has %d bytes", key, len(value))
			}
		}
		ctx := w3c.Extract(context.Background(), carrier)
		wrapped, err := WrapBody(ctx, w3c, payload)
		if err != nil {
			t.Fatal(err)
		}
		same, carrierAgain := UnwrapBody(wrapped)
		if carrierAgain == nil || !json.Valid(same) {
			t.Fatalf("%q wrapped again is %q, and no envelope", body, wrapped)
		}
		want, got := propagation.MapCarrier{}, propagation.MapCarrier{}
		w3c.Inject(ctx, want)
		w3c.Inject(w3c.Extract(context.Background(), carrierAgain), got)
		if want["traceparent"] != got["traceparent"] {
			t.Fatalf("the context %q came back as %q", want, got)
		}
	})
}
