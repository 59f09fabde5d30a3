package otelamqp_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
)

// publish publishes n messages and waits for the broker to have them.
func publish(t *testing.T, ch *otelamqp.Channel, queue string, n int) {
	t.Helper()
	for range n {
		confirm, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{MessageId: "m"})
		require.NoError(t, err)
		require.True(t, confirm.Wait())
	}
}

// named are the ended spans of that name.
func named(recorder *tracetest.SpanRecorder, name string) (spans []sdktrace.ReadOnlySpan) {
	for _, s := range recorder.Ended() {
		if s.Name() == name {
			spans = append(spans, s)
		}
	}
	return spans
}

func only(t *testing.T, recorder *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := named(recorder, name)
	require.Len(t, spans, 1, name)
	return spans[0]
}

func TestSettlingIsPartOfTheTrace(t *testing.T) {
	for name, settle := range map[string]func(*otelamqp.Channel, amqp.Delivery) error{
		"ack":    func(_ *otelamqp.Channel, d amqp.Delivery) error { return d.Ack(false) },
		"nack":   func(_ *otelamqp.Channel, d amqp.Delivery) error { return d.Nack(false, false) },
		"reject": func(ch *otelamqp.Channel, d amqp.Delivery) error { return ch.Reject(d.DeliveryTag, false) },
	} {
		t.Run(name, func(t *testing.T) {
			ch, _, recorder := traced(t, otelamqp.WithSettleSpans())
			queue := namedQueue(t, ch, nil)
			publish(t, ch, queue, 1)
			deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
			require.NoError(t, err)
			d := <-deliveries
			require.NoError(t, ch.Process(t.Context(), &d, func(context.Context) error { return settle(ch, d) }))
			span := only(t, recorder, name+" "+queue)
			assert.Equal(t, trace.SpanKindClient, span.SpanKind())
			assert.Equal(t, only(t, recorder, "process "+queue).SpanContext().SpanID(), span.Parent().SpanID())
			assert.Empty(t, span.Links(), "the message's context is in the same trace")
			assert.Subset(t, span.Attributes(), []attribute.KeyValue{
				attribute.String("messaging.operation.type", "settle"),
				attribute.Int("messaging.rabbitmq.message.delivery_tag", 1),
				attribute.String("messaging.message.id", "m"),
			})
		})
	}
}

func TestSettlingOnALostChannelIsAnError(t *testing.T) {
	ch, queue, recorder := traced(t, otelamqp.WithSettleSpans())
	publish(t, ch, queue, 1)
	d, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, ch.Close())
	require.ErrorIs(t, d.Ack(false), amqp.ErrClosed)
	assert.Equal(t, codes.Error, only(t, recorder, "ack").Status().Code)
	require.ErrorIs(t, d.Ack(false), amqp.ErrClosed, "a second time: known no more, but refused")
}

func TestSettlingMakesNoSpanUnasked(t *testing.T) {
	ch, queue, recorder := traced(t)
	publish(t, ch, queue, 1)
	d, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, d.Ack(false))
	assert.Empty(t, named(recorder, "ack"))
}

func TestGetIsLinkedToTheMessage(t *testing.T) {
	ch, _, recorder := traced(t, otelamqp.WithSettleSpans())
	queue := namedQueue(t, ch, nil)
	_, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.False(t, ok)
	assert.Empty(t, recorder.Ended(), "polling an empty queue is not worth a trace")

	publish(t, ch, queue, 1)
	d, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, ch.Process(t.Context(), &d, func(context.Context) error { return d.Ack(false) }))
	send, receive, process := only(t, recorder, "send "+queue), only(t, recorder, "receive "+queue), only(t, recorder, "process "+queue)
	assert.Equal(t, trace.SpanKindClient, receive.SpanKind())
	require.Len(t, receive.Links(), 1)
	assert.Equal(t, send.SpanContext().SpanID(), receive.Links()[0].SpanContext.SpanID())
	assert.Equal(t, send.SpanContext().SpanID(), process.Parent().SpanID())
	assert.Equal(t, process.SpanContext().SpanID(), only(t, recorder, "ack "+queue).Parent().SpanID())

	_, err = ch.QueueDelete(queue, false, false, false)
	require.NoError(t, err)
	_, _, err = ch.Get(queue, false)
	require.Error(t, err)
	failed := named(recorder, "receive "+queue)[1]
	assert.Contains(t, failed.Attributes(), attribute.String("error.type", "404"))
	_, err = openChannel(t, testBroker(t)).QueueDeclare(queue, false, false, false, false, nil) // for the cleanup
	require.NoError(t, err)
}

func TestBatchIsOneSpanLinkedToEachMessage(t *testing.T) {
	const n = 3
	ch, _, recorder := traced(t, otelamqp.WithSettleSpans())
	queue := namedQueue(t, ch, nil)
	publish(t, ch, queue, n)
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	var batch []amqp.Delivery
	for range n {
		batch = append(batch, <-deliveries)
	}
	failure := errors.New("half of them failed")
	err = ch.ProcessBatch(t.Context(), batch, func(context.Context) error {
		return errors.Join(batch[n-1].Ack(true), failure)
	})
	require.ErrorIs(t, err, failure)

	process, ack := only(t, recorder, "process "+queue), only(t, recorder, "ack "+queue)
	var sent, linked, settled []trace.SpanID
	for _, s := range named(recorder, "send "+queue) {
		sent = append(sent, s.SpanContext().SpanID())
	}
	for _, l := range process.Links() {
		linked = append(linked, l.SpanContext.SpanID())
		assert.Contains(t, l.Attributes, attribute.String("messaging.message.id", "m"))
	}
	for _, l := range ack.Links() {
		settled = append(settled, l.SpanContext.SpanID())
	}
	assert.Equal(t, sent, linked)
	assert.ElementsMatch(t, sent, settled)
	assert.False(t, process.Parent().IsValid(), "no message of a batch is its parent")
	assert.Equal(t, process.SpanContext().SpanID(), ack.Parent().SpanID())
	assert.Equal(t, codes.Error, process.Status().Code)
	for _, s := range []sdktrace.ReadOnlySpan{process, ack} {
		assert.Contains(t, s.Attributes(), attribute.Int("messaging.batch.message_count", n))
	}
}

// The broker itself moves the message here: from its queue to the dead letters,
// and the thread holds.
func TestDeadLetterKeepsItsTrace(t *testing.T) {
	ch, dead, recorder := traced(t, otelamqp.WithSettleSpans())
	queue := namedQueue(t, ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	publish(t, ch, queue, 1)
	first, err := ch.Consume(queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	second, err := ch.Consume(dead, "", false, false, false, false, nil)
	require.NoError(t, err)
	for _, deliveries := range []<-chan amqp.Delivery{first, second} {
		d := <-deliveries
		require.NoError(t, ch.Process(t.Context(), &d, func(context.Context) error { return d.Reject(false) }))
	}
	send, attempt1, attempt2 := only(t, recorder, "send "+queue), only(t, recorder, "process "+queue), only(t, recorder, "process")
	assert.Equal(t, send.SpanContext().SpanID(), attempt1.Parent().SpanID())
	assert.Equal(t, send.SpanContext().SpanID(), attempt2.Parent().SpanID())
	assert.Contains(t, attempt1.Attributes(), attribute.Int("throughline.message.attempt", 1))
	assert.Subset(t, attempt2.Attributes(), []attribute.KeyValue{
		attribute.Int("throughline.message.attempt", 2),
		attribute.String("throughline.message.dead_letter.queue", queue),
		attribute.String("throughline.message.dead_letter.reason", "rejected"),
		attribute.Bool("messaging.destination.anonymous", true),
		attribute.Bool("messaging.destination.temporary", true),
	})
}

func TestPeerAddressIsRecorded(t *testing.T) {
	conn, err := amqp.Dial(testBroker(t))
	require.NoError(t, err)
	defer conn.Close()
	ch, queue, recorder := traced(t, otelamqp.WithPeerAddress(conn.RemoteAddr()))
	publish(t, ch, queue, 1)
	assert.Contains(t, only(t, recorder, "send").Attributes(), attribute.String("network.peer.address", "127.0.0.1"))
}

// Delivery tags count by channel. A delivery of another channel, or of a consumer
// that this one knows nothing of, is acknowledged where it came from, and leaves
// nothing behind.
func TestDeliveriesOfOthersAreSettledWhereTheyCameFrom(t *testing.T) {
	ch, _, recorder := traced(t, otelamqp.WithSettleSpans())
	channels := []*amqp.Channel{openChannel(t, testBroker(t)), ch.Channel}
	consumes := []func(string, string, bool, bool, bool, bool, amqp.Table) (<-chan amqp.Delivery, error){channels[0].Consume, ch.Consume}
	var queues []string
	var deliveries []amqp.Delivery
	for i, channel := range channels {
		queue := fmt.Sprint("test.others.", i)
		_, err := channel.QueueDeclare(queue, false, false, false, false, nil)
		require.NoError(t, err)
		queues = append(queues, queue)
		publish(t, ch, queue, 1)
		incoming, err := consumes[i](queue, "same", false, false, false, false, nil)
		require.NoError(t, err)
		deliveries = append(deliveries, <-incoming)
	}
	require.Equal(t, deliveries[0].DeliveryTag, deliveries[1].DeliveryTag)

	for i, d := range deliveries {
		require.NoError(t, ch.Process(t.Context(), &d, func(context.Context) error { return d.Ack(false) }))
		assert.Len(t, named(recorder, "ack "+queues[i]), i, "that of the other channel is not traced")
	}
	for i, channel := range channels {
		require.NoError(t, channel.Close()) // what was not acknowledged goes back into its queue
		left, err := openChannel(t, testBroker(t)).QueueDelete(queues[i], false, false, false)
		require.NoError(t, err)
		assert.Zero(t, left)
	}
}
