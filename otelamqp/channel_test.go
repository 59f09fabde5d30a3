package otelamqp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

func TestConsumersAreForgotten(t *testing.T) {
	var c consumers
	c.set("busy", subscription{queue: "q"})
	for i := range 10 * maxKept {
		tag := fmt.Sprint(i)
		c.set(tag, subscription{queue: tag})
		c.cancel(tag)
		c.cancel(tag)
		s, known := c.get(tag)
		assert.True(t, known, "its last deliveries are still to be handled")
		assert.Equal(t, tag, s.queue)
	}
	assert.Len(t, c.byTag, 1+maxCanceled)
	assert.Len(t, c.canceled, maxCanceled)

	for range 2 * maxCanceled { // in use again
		c.set("again", subscription{queue: "q"})
		c.cancel("again")
	}
	c.set("again", subscription{queue: "q"})
	for i := range maxCanceled {
		c.set(fmt.Sprint(i), subscription{})
		c.cancel(fmt.Sprint(i))
	}
	_, known := c.get("again")
	assert.True(t, known)

	for i := range 2 * maxKept { // canceled by the broker
		c.set(fmt.Sprint("lost ", i), subscription{})
	}
	assert.LessOrEqual(t, len(c.byTag), maxKept)
}

func TestSettlementsEndWithTheChannel(t *testing.T) {
	lost := make(chan *amqp.Error, 1)
	u := settlements{byTag: map[uint64]*settlement{}, lost: lost}
	before, after := &settlement{}, &settlement{}
	u.add(1, &settlement{}, settling{})
	u.add(5, before, settling{})
	lost <- amqp.ErrClosed
	u.add(5, after, settling{})
	assert.EqualValues(t, 1, u.losses())

	last, others := u.take(before, 5, true)
	assert.Same(t, before, last, "it is settled, as the application says so")
	assert.Empty(t, others)
	last, others = u.take(nil, 0, true)
	assert.Same(t, after, last)
	assert.Empty(t, others)
	last, _ = u.take(before, 5, false)
	assert.Nil(t, last, "a second time")

	u.add(7, &settlement{}, settling{})
	close(lost)
	assert.EqualValues(t, 2, u.losses())
	assert.EqualValues(t, 2, u.losses())
	assert.Empty(t, u.byTag)
}

// What is settled behind our back stays, and must not fill the memory.
func TestSettlementsAreBounded(t *testing.T) {
	u := settlements{byTag: map[uint64]*settlement{}}
	for tag := range uint64(2 * maxUnsettled) {
		u.add(tag, &settlement{}, settling{})
	}
	assert.LessOrEqual(t, len(u.byTag), maxUnsettled)
}

// A program may wrap its channels before it sets OpenTelemetry up, and may have
// nothing to give.
func TestNilMeansTheGlobalOneAlsoWhenItComesLater(t *testing.T) {
	if _, set := otel.GetTracerProvider().(*sdktrace.TracerProvider); set {
		t.Skip("the first global one can be set once in a process, and this is not the first run")
	}
	ch := New(WithTracerProvider(nil), WithMeterProvider(nil), WithPropagator(nil), WithFilter(nil), WithErrorFilter(nil),
		WithSpanName(nil), WithDestinationTemplate(nil), WithPublishAttributes(nil), WithDeliveryAttributes(nil)).Channel(&amqp.Channel{})
	handle := func(context.Context) error { return nil }
	headers := amqp.Table{"traceparent": traceparent, "tracestate": "vendor=old"}
	require.NoError(t, ch.Process(t.Context(), delivery(headers, ""), handle))

	recorder, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	require.NoError(t, ch.Process(t.Context(), delivery(headers, ""), handle))
	assert.Equal(t, spanID, onlySpan(t, recorder).Parent().SpanID().String())
	var measured metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &measured))
	assert.Len(t, measured.ScopeMetrics, 1)

	again := amqp.Publishing{Headers: headers}
	s := ch.startSend(t.Context(), "", "q", false, &again)
	s.end(nil)
	assert.NotContains(t, again.Headers, "tracestate", "it belongs to the earlier context")
}

func TestErrorFilterSaysWhatIsNoError(t *testing.T) {
	skip := errors.New("not for us")
	reader := sdkmetric.NewManualReader()
	ch, recorder, _ := tracedChannel(&amqp.Channel{}, WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
		WithErrorFilter(func(err error) bool { return !errors.Is(err, skip) }))
	for _, failure := range []error{fmt.Errorf("order 7: %w", skip), errors.New("disk full")} {
		assert.Equal(t, failure, ch.Process(t.Context(), delivery(nil, ""), func(context.Context) error { return failure }))
	}
	assert.Equal(t, codes.Unset, recorder.Ended()[0].Status().Code)
	assert.Equal(t, codes.Error, recorder.Ended()[1].Status().Code)

	var measured metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &measured))
	var types []attribute.Value
	for _, m := range measured.ScopeMetrics[0].Metrics {
		if histogram, is := m.Data.(metricdata.Histogram[float64]); is {
			for _, point := range histogram.DataPoints {
				errorType, _ := point.Attributes.Value("error.type")
				types = append(types, errorType)
			}
		}
	}
	assert.ElementsMatch(t, []attribute.Value{{}, attribute.StringValue("*errors.errorString")}, types)
}

// One signal without the other: by the noop provider of the other.
func TestEitherSignalAlone(t *testing.T) {
	headers := amqp.Table{"traceparent": traceparent}
	var inside trace.SpanContext
	handle := func(ctx context.Context) error {
		inside = trace.SpanContextFromContext(ctx)
		return nil
	}
	reader := sdkmetric.NewManualReader()
	metricsOnly := New(WithPropagator(w3c), WithTracerProvider(tracenoop.NewTracerProvider()),
		WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))).Channel(&amqp.Channel{})
	require.NoError(t, metricsOnly.Process(t.Context(), delivery(headers, ""), handle))
	assert.Equal(t, spanID, inside.SpanID().String(), "the context goes on")
	var measured metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &measured))
	assert.Len(t, measured.ScopeMetrics, 1)

	tracesOnly, recorder, _ := tracedChannel(&amqp.Channel{}, WithMeterProvider(metricnoop.NewMeterProvider()))
	require.NoError(t, tracesOnly.Process(t.Context(), delivery(headers, ""), handle))
	assert.Equal(t, spanID, onlySpan(t, recorder).Parent().SpanID().String())
	assert.False(t, tracesOnly.inst.metrics.enabled(t.Context()))
}

func TestTimeOfThePublishIsOnlyInMessagesThatNeedIt(t *testing.T) {
	for _, tc := range []struct {
		name      string
		opts      []Option
		mandatory bool
		has       bool
	}{{"plain", nil, false, false}, {"mandatory", nil, true, true}, {"by option", []Option{WithPublishedAt()}, false, true}} {
		t.Run(tc.name, func(t *testing.T) {
			ch, _, _ := tracedChannel(&amqp.Channel{}, tc.opts...)
			msg := amqp.Publishing{Headers: amqp.Table{PublishedAtHeader: int64(1)}} // published again
			s := ch.startSend(t.Context(), "", "q", tc.mandatory, &msg)
			s.end(nil)
			at, has := msg.Headers[PublishedAtHeader]
			assert.Equal(t, tc.has, has)
			assert.NotEqual(t, int64(1), at)
		})
	}
}

func TestChangelogBeginsWithTheVersion(t *testing.T) {
	changelog, err := os.ReadFile("CHANGELOG.md")
	require.NoError(t, err)
	newest := regexp.MustCompile(`(?m)^## (.*)$`).FindSubmatch(changelog)
	assert.Equal(t, Version, string(newest[1]))
}
