package otelamqp_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"throughline/otelamqp"
)

// The recovery of amqp091-go opens the same channel again, with delivery tags and
// confirmations that count from 1.
func TestNothingOfALostChannelSurvivesItsRecovery(t *testing.T) {
	var conn atomic.Pointer[fallibleConn]
	raw, err := amqp.DialConfig(testBroker(t), amqp.Config{
		Dial: func(network, address string) (net.Conn, error) {
			tcp, err := amqp.DefaultDial(10*time.Second)(network, address)
			fallible := &fallibleConn{Conn: tcp}
			conn.Store(fallible)
			return fallible, err
		},
		Recovery: &amqp.Recovery{ReconnectionConfig: &amqp.ReconnectionConfig{MaxRetryCount: 100, RetryInterval: 10 * time.Millisecond}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	amqpChannel, err := raw.Channel()
	require.NoError(t, err)
	recorder := tracetest.NewSpanRecorder()
	ch := otelamqp.New(otelamqp.WithSettleSpans(), otelamqp.WithPropagator(propagator),
		otelamqp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))).Channel(amqpChannel)
	require.NoError(t, ch.Confirm(false))
	queue := namedQueue(t, ch, nil)
	publish(t, ch, queue, 3)
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	next := func() *amqp.Delivery {
		t.Helper()
		select {
		case d := <-deliveries:
			return &d
		case <-time.After(30 * time.Second):
			require.FailNow(t, "a message is missing")
			return nil
		}
	}
	unsettled := func(context.Context) error { return nil }
	for range 3 {
		require.NoError(t, ch.Process(t.Context(), next(), unsettled))
	}

	states := make(chan *amqp.StateChanged, 8)
	ch.NotifyStateChange(states)
	conn.Load().dropsIncoming.Store(true)
	confirm, err := ch.PublishWithDeferredConfirm("", "elsewhere", false, false, amqp.Publishing{})
	require.NoError(t, err)
	require.NoError(t, conn.Load().Close())
	assert.False(t, confirm.Wait())
	assert.ErrorIs(t, confirm.Err(), otelamqp.ErrNotConfirmed)
	for state := range states {
		if state.To == amqp.StateOpen {
			break
		}
	}

	again := next()
	require.True(t, again.Redelivered)
	require.EqualValues(t, 1, again.DeliveryTag)
	require.NoError(t, ch.Process(t.Context(), again, unsettled))
	processed := named(recorder, "process "+queue)
	require.Len(t, processed, 4, "the consumer is known again")
	require.NoError(t, ch.Ack(0, true))
	ack := only(t, recorder, "ack "+queue)
	assert.Equal(t, processed[3].SpanContext().SpanID(), ack.Parent().SpanID())
	assert.Contains(t, ack.Attributes(), attribute.Int("messaging.batch.message_count", 1))

	publish(t, ch, queue, 1)
	confirm, err = ch.PublishWithDeferredConfirm("", "nowhere", true, false, amqp.Publishing{})
	require.NoError(t, err)
	assert.False(t, confirm.Wait())
	assert.ErrorIs(t, confirm.Err(), otelamqp.ErrUnroutable)
}
