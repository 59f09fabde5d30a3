package otelamqp_test

import (
	"encoding/json"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"throughline/otelamqp"
)

var propagator = propagation.TraceContext{}

// BenchmarkPublish compares ways to publish one small message to a real broker:
// the article's (docs/from-the-article.md), a kept channel, and this package's
// with the broker's confirmation awaited.
func BenchmarkPublish(b *testing.B) {
	url := broker.URL()
	tracer := sdktrace.NewTracerProvider().Tracer("bench")
	ctx, span := tracer.Start(b.Context(), "publish")
	defer span.End()
	body := []byte(`{"userId":1}`)

	b.Run("connection-per-publish", func(b *testing.B) {
		for b.Loop() {
			carrier := propagation.MapCarrier{}
			propagator.Inject(ctx, carrier)
			enveloped, err := json.Marshal(map[string]any{"carrier": carrier, "payload": json.RawMessage(body)})
			require.NoError(b, err)
			conn, err := amqp.Dial(url)
			require.NoError(b, err)
			ch, err := conn.Channel()
			require.NoError(b, err)
			queue := benchQueue(b, ch)
			require.NoError(b, ch.PublishWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: enveloped}))
			require.NoError(b, conn.Close())
		}
	})
	b.Run("kept-channel", func(b *testing.B) {
		ch := openChannel(b, url)
		queue := benchQueue(b, ch)
		for b.Loop() {
			require.NoError(b, ch.PublishWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: body}))
		}
	})
	b.Run("kept-channel-confirmed", func(b *testing.B) {
		ch := openChannel(b, url)
		queue := benchQueue(b, ch)
		require.NoError(b, ch.Confirm(false))
		for b.Loop() {
			confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: body})
			require.NoError(b, err)
			require.True(b, confirm.Wait())
		}
	})
	b.Run("otelamqp-confirmed", func(b *testing.B) {
		ch := otelamqp.NewChannel(openChannel(b, url), otelamqp.WithTracerProvider(sdktrace.NewTracerProvider()), otelamqp.WithPropagator(propagator))
		queue := benchQueue(b, ch.Channel)
		require.NoError(b, ch.Confirm(false))
		for b.Loop() {
			confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: body})
			require.NoError(b, err)
			require.True(b, confirm.Wait())
		}
	})
}

// benchQueue declares a queue that keeps only the newest messages, so that a
// long benchmark does not fill the broker.
func benchQueue(b *testing.B, ch *amqp.Channel) string {
	b.Helper()
	q, err := ch.QueueDeclare("otelamqp.bench", false, false, false, false, amqp.Table{"x-max-length": 1000})
	require.NoError(b, err)
	return q.Name
}
