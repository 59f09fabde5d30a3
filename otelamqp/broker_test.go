package otelamqp_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"throughline/otelamqp"
)

var propagator = propagation.TraceContext{}

func openChannel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}

// traced opens a traced channel, in confirm mode, with a queue of its own.
func traced(t *testing.T, opts ...otelamqp.Option) (ch *otelamqp.Channel, queue string, recorder *tracetest.SpanRecorder) {
	t.Helper()
	recorder = tracetest.NewSpanRecorder()
	raw := openChannel(t, testBroker(t))
	ch = otelamqp.NewChannel(raw, append(opts,
		otelamqp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))),
		otelamqp.WithPropagator(propagator))...)
	require.NoError(t, ch.Confirm(false))
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	require.NoError(t, err)
	return ch, q.Name, recorder
}

// namedQueue declares a queue that outlives the channel, and whose name may stand
// in the names of spans.
func namedQueue(t *testing.T, ch *otelamqp.Channel, args amqp.Table) string {
	t.Helper()
	name := "test." + t.Name()
	_, err := ch.QueueDeclare(name, false, false, false, false, args)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := openChannel(t, testBroker(t)).QueueDelete(name, false, false, false)
		assert.NoError(t, err)
	})
	return name
}

func TestMessageKeepsItsTraceAcrossTheBroker(t *testing.T) {
	ch, _, recorder := traced(t)
	queue := namedQueue(t, ch, nil)
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	require.NoError(t, err)

	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false, amqp.Publishing{MessageId: "m1", Body: []byte("hello")})
	require.NoError(t, err)
	require.True(t, confirm.Wait())
	d := <-deliveries
	require.NoError(t, ch.Process(t.Context(), &d, func(context.Context) error { return nil }))

	spans := recorder.Ended()
	require.Len(t, spans, 2)
	send, process := spans[0], spans[1]
	assert.Equal(t, "send "+queue, send.Name())
	assert.Equal(t, trace.SpanKindProducer, send.SpanKind())
	assert.Equal(t, "process "+queue, process.Name())
	assert.Equal(t, send.SpanContext().TraceID(), process.SpanContext().TraceID())
	assert.Equal(t, send.SpanContext().SpanID(), process.Parent().SpanID())
	assert.Contains(t, send.Attributes(), attribute.String("messaging.message.id", "m1"))
}

func TestSendSpanEndsWithTheConfirmationAlthoughNobodyWaits(t *testing.T) {
	ch, queue, recorder := traced(t)
	confirm, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{})
	require.NoError(t, err)
	<-confirm.Done()
	assert.True(t, confirm.Acked())
	assert.Len(t, recorder.Ended(), 1)
}

func TestUnroutableMessageIsAnError(t *testing.T) {
	ch, _, recorder := traced(t)
	for i := range 100 { // the return and the confirmation must not race
		confirm, err := ch.PublishWithDeferredConfirm("", "no such queue", true, false, amqp.Publishing{MessageId: fmt.Sprint(i)})
		require.NoError(t, err)
		require.False(t, confirm.Wait())
		require.ErrorIs(t, confirm.Err(), otelamqp.ErrUnroutable)
	}
	for _, span := range recorder.Ended() {
		require.Equal(t, codes.Error, span.Status().Code)
		require.Contains(t, span.Attributes(), attribute.String("error.type", "unroutable"))
	}
}

func TestRefusedMessageIsAnError(t *testing.T) {
	ch, queue, recorder := traced(t)
	full := namedQueue(t, ch, amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish"})
	confirm, err := ch.PublishWithDeferredConfirm("", full, false, false, amqp.Publishing{})
	require.NoError(t, err)
	assert.False(t, confirm.Wait(), "the queue is full, the broker refuses")
	assert.ErrorIs(t, confirm.Err(), otelamqp.ErrNacked)

	require.NoError(t, ch.Close())
	_, err = ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{})
	require.ErrorIs(t, err, amqp.ErrClosed)
	spans := recorder.Ended()
	require.Len(t, spans, 2)
	assert.Contains(t, spans[0].Attributes(), attribute.String("error.type", "nack"))
	assert.Contains(t, spans[1].Attributes(), attribute.String("error.type", "channel_closed"))
}

func TestConfirmationOfALostChannelIsAnError(t *testing.T) {
	ch, queue, recorder := traced(t)
	confirm, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{})
	require.NoError(t, err)
	require.True(t, confirm.Wait())
	// An acknowledgement of a delivery that does not exist: the broker closes the
	// channel, and what is published right after it is never confirmed.
	require.NoError(t, ch.Channel.Ack(4711, false))
	confirm, err = ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{})
	if err != nil { // the broker was quicker
		require.ErrorIs(t, err, amqp.ErrClosed)
	} else {
		require.False(t, confirm.Wait())
		require.ErrorIs(t, confirm.Err(), otelamqp.ErrNotConfirmed)
	}
	assert.Contains(t, recorder.Ended()[1].Attributes(), attribute.String("error.type", "channel_closed"))
}

func TestWaitContextGivesUp(t *testing.T) {
	ch, queue, recorder := traced(t)
	ctx, cancel := context.WithCancel(t.Context())
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{})
	require.NoError(t, err)
	cancel()
	if acked, err := confirm.WaitContext(ctx); err != nil { // the broker may have been quicker
		assert.False(t, acked)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, confirm.Err(), context.Canceled)
	}
	assert.Len(t, recorder.Ended(), 1)
}

func TestMessageIsMeasuredOnBothSidesOfTheBroker(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	ch, queue, recorder := traced(t, otelamqp.WithPublishedAt(), otelamqp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	deliveries, err := ch.Consume(queue, "c", true, false, false, false, nil)
	require.NoError(t, err)
	began := time.Now()
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, false, false, amqp.Publishing{})
	require.NoError(t, err)
	require.True(t, confirm.Wait())
	unroutable, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "no such queue", true, false, amqp.Publishing{MessageId: "m"})
	require.NoError(t, err)
	require.False(t, unroutable.Wait())
	d := <-deliveries
	require.NoError(t, ch.Process(t.Context(), &d, func(context.Context) error { return nil }))
	atMost := time.Since(began).Seconds()

	var measured metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &measured))
	require.Len(t, measured.ScopeMetrics, 1)
	counts, durations := map[string]int64{}, map[string]metricdata.HistogramDataPoint[float64]{}
	for _, m := range measured.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, point := range data.DataPoints {
				errorType, _ := point.Attributes.Value("error.type")
				counts[m.Name+" "+errorType.AsString()] = point.Value
			}
		case metricdata.Histogram[float64]:
			for _, point := range data.DataPoints {
				if !point.Attributes.HasValue("error.type") {
					durations[m.Name] = point
				}
			}
		}
	}
	assert.Equal(t, map[string]int64{
		"messaging.client.sent.messages ":           1,
		"messaging.client.sent.messages unroutable": 1,
		"messaging.client.consumed.messages ":       1,
	}, counts)
	spans := recorder.Ended()
	require.Len(t, spans, 3)
	for name, span := range map[string]sdktrace.ReadOnlySpan{
		"messaging.client.operation.duration": spans[0],
		"messaging.message.time_in_queue":     spans[2],
		"messaging.process.duration":          spans[2],
	} {
		point := durations[name]
		assert.EqualValues(t, 1, point.Count, name)
		assert.Less(t, point.Sum, atMost, name)
		require.Len(t, point.Exemplars, 1, name)
		id := span.SpanContext().SpanID()
		assert.Equal(t, id[:], point.Exemplars[0].SpanID, name)
	}
}

// Publishers that share a channel and a table of headers must neither write into
// the table nor hand one message's context to another.
func TestConcurrentPublishersDoNotMixTheirTraces(t *testing.T) {
	const publishers, each = 16, 50
	ch, queue, _ := traced(t)
	deliveries, err := ch.Consume(queue, "c", true, false, false, false, nil)
	require.NoError(t, err)
	shared := amqp.Table{"tenant": "a"}
	tracer := sdktrace.NewTracerProvider().Tracer("test")

	var sent sync.Map // message id -> trace id
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				ctx, span := tracer.Start(t.Context(), "publish")
				id := fmt.Sprintf("%d-%d", p, i)
				sent.Store(id, span.SpanContext().TraceID().String())
				assert.NoError(t, ch.PublishWithContext(ctx, "", queue, false, false, amqp.Publishing{MessageId: id, Headers: shared}))
				span.End()
			}
		})
	}
	for range publishers * each {
		select {
		case d := <-deliveries:
			want, _ := sent.Load(d.MessageId)
			parent := trace.SpanContextFromContext(propagator.Extract(t.Context(), otelamqp.HeaderCarrier(d.Headers)))
			assert.Equal(t, want, parent.TraceID().String())
		case <-time.After(30 * time.Second):
			t.Fatal("a message is missing")
		}
	}
	wg.Wait()
	assert.Equal(t, amqp.Table{"tenant": "a"}, shared)
}

// A connection is lost again and again in the middle of publishing and handling,
// and each time a new one takes over.
func TestNoGoroutineOutlivesItsConnection(t *testing.T) {
	url := testBroker(t)
	before := goleak.IgnoreCurrent()
	for range 5 {
		var socket net.Conn
		conn, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (_ net.Conn, err error) {
			socket, err = amqp.DefaultDial(10*time.Second)(network, address)
			return socket, err
		}})
		require.NoError(t, err)
		raw, err := conn.Channel()
		require.NoError(t, err)
		ch := otelamqp.NewChannel(raw, otelamqp.WithTracerProvider(sdktrace.NewTracerProvider()))
		require.NoError(t, ch.Confirm(false))
		queue, err := ch.QueueDeclare("", false, true, true, false, nil)
		require.NoError(t, err)
		deliveries, err := ch.Consume(queue.Name, "", false, false, false, false, nil)
		require.NoError(t, err)
		for range 10 {
			require.NoError(t, ch.Publish("", queue.Name, true, false, amqp.Publishing{}))
			require.NoError(t, ch.Publish("", "nowhere", true, false, amqp.Publishing{}))
		}
		d := <-deliveries
		require.NoError(t, socket.Close())
		for range deliveries { // until the client has noticed
		}
		_ = ch.Process(t.Context(), &d, func(context.Context) error { return d.Ack(false) })
		_ = conn.Close()
	}
	goleak.VerifyNone(t, before)
}

// The broker confirms what is only kept in memory before what it writes to disk.
func TestSendSpansEndInWhateverOrderTheBrokerAnswers(t *testing.T) {
	const n = 200
	ch, queue, recorder := traced(t)
	durable := "test." + t.Name()
	_, err := ch.QueueDeclare(durable, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	require.NoError(t, err)
	defer func() { _, _ = ch.QueueDelete(durable, false, false, false) }()
	for i := range n {
		require.NoError(t, ch.Publish("", []string{durable, queue}[i%2], i%3 == 0, false, amqp.Publishing{DeliveryMode: amqp.Persistent}))
	}
	require.Eventually(t, func() bool { return len(recorder.Ended()) == n }, 30*time.Second, time.Millisecond)
	for _, span := range recorder.Ended() {
		assert.Equal(t, codes.Unset, span.Status().Code)
	}
}

func TestChannelsCostNoGoroutines(t *testing.T) {
	conn, err := amqp.Dial(testBroker(t))
	require.NoError(t, err)
	defer conn.Close()
	instrumentation := otelamqp.New(otelamqp.WithTracerProvider(sdktrace.NewTracerProvider()))
	before := runtime.NumGoroutine()
	for range 50 {
		raw, err := conn.Channel()
		require.NoError(t, err)
		ch := instrumentation.Channel(raw)
		require.NoError(t, ch.Publish("", "nowhere", false, false, amqp.Publishing{}))
	}
	assert.Less(t, runtime.NumGoroutine(), before+50)
}
