package otelamqp

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
)

func TestTimeInQueue(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	past := now.Add(-1500 * time.Microsecond)
	for _, tc := range []struct {
		name     string
		delivery amqp.Delivery
		waited   time.Duration
		known    bool
	}{
		{"header", amqp.Delivery{Headers: amqp.Table{PublishedAtHeader: past.UnixNano()}, Timestamp: now.Add(-time.Hour)}, 1500 * time.Microsecond, true},
		{"timestamp", amqp.Delivery{Timestamp: now.Add(-2 * time.Second)}, 2 * time.Second, true},
		{"header of another type", amqp.Delivery{Headers: amqp.Table{PublishedAtHeader: "yesterday"}, Timestamp: now.Add(-time.Second)}, time.Second, true},
		{"a clock that is ahead", amqp.Delivery{Headers: amqp.Table{PublishedAtHeader: int64(math.MaxInt64)}}, 0, true},
		{"neither", amqp.Delivery{}, 0, false},
	} {
		waited, known := timeInQueue(&tc.delivery, now)
		assert.Equal(t, tc.known, known, tc.name)
		if known {
			assert.Equal(t, tc.waited, waited, tc.name)
		}
	}
}

func TestProcessMetricsFollowTheConventions(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	ch, recorder, _ := tracedChannel(&amqp.Channel{}, WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	ch.consumers.set("c", subscription{queue: "audit"})
	for range 2 {
		_ = ch.Process(t.Context(), delivery(nil, ""), func(context.Context) error { return errors.New("disk full") })
	}

	var measured metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &measured))
	require.Len(t, measured.ScopeMetrics, 1)
	assert.Equal(t, ScopeName, measured.ScopeMetrics[0].Scope.Name)
	metrics := map[string]metricdata.Metrics{}
	for _, m := range measured.ScopeMetrics[0].Metrics {
		metrics[m.Name] = m
	}
	require.Len(t, metrics, 2, "nobody knows how long these messages waited")
	attrs := []attribute.KeyValue{
		attribute.String("messaging.system", "rabbitmq"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.destination.name", "user.events:user.logged_in:audit"),
		attribute.String("server.address", "127.0.0.1"),
		attribute.Int("server.port", 5672),
	}
	consumed := metrics["messaging.client.consumed.messages"]
	assert.Equal(t, "{message}", consumed.Unit)
	metricdatatest.AssertAggregationsEqual(t, metricdata.Sum[int64]{
		Temporality: metricdata.CumulativeTemporality, IsMonotonic: true,
		DataPoints: []metricdata.DataPoint[int64]{{Value: 2, Attributes: attribute.NewSet(attrs...)}},
	}, consumed.Data, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())

	duration := metrics["messaging.process.duration"]
	assert.Equal(t, "s", duration.Unit)
	points := duration.Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, points, 1)
	want := attribute.NewSet(append(attrs, attribute.String("error.type", "*errors.errorString"))...)
	assert.Equal(t, want.Encoded(attribute.DefaultEncoder()), points[0].Attributes.Encoded(attribute.DefaultEncoder()))
	assert.Equal(t, durationBuckets, points[0].Bounds)
	require.NotEmpty(t, points[0].Exemplars)
	var spanIDs [][]byte
	for _, span := range recorder.Ended() {
		id := span.SpanContext().SpanID()
		spanIDs = append(spanIDs, id[:])
	}
	assert.Contains(t, spanIDs, points[0].Exemplars[0].SpanID)
}

// OTLP refuses a whole batch for one text that is not UTF-8.
func TestNamesThatAreNotTextAreMadeText(t *testing.T) {
	ch, recorder, _ := tracedChannel(&amqp.Channel{})
	d := delivery(nil, "")
	d.RoutingKey, d.MessageId, d.CorrelationId = "k\xff", "m\xff", "c\xff"
	_ = ch.Process(t.Context(), d, func(context.Context) error { return errors.New("e\xff") })
	span := onlySpan(t, recorder)
	assert.True(t, utf8.ValidString(span.Name()))
	assert.True(t, utf8.ValidString(span.Status().Description))
	for _, kv := range span.Attributes() {
		assert.True(t, utf8.ValidString(kv.Value.String()), kv.Key)
	}
}
