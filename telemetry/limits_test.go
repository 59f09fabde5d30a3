package telemetry

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in, want string
		limit    int
	}{{"abc", "abc", 3}, {"abc", "ab", 2}, {"aé", "a", 2}, {"€€", "€", 5}, {"€", "", 2}, {"", "", 0}} {
		assert.Equal(t, c.want, cut(c.in, c.limit), "%q to %d", c.in, c.limit)
	}
}

// startWhole makes a collector of all three signals the one of the OTEL_* variables.
func startWhole(t *testing.T, opts ...grpc.ServerOption) *collector {
	t.Helper()
	received := &collector{}
	startCollector(t, func(s *grpc.Server) {
		ptraceotlp.RegisterGRPCServer(s, &traceReceiver{collector: received})
		pmetricotlp.RegisterGRPCServer(s, &metricReceiver{collector: received})
		plogotlp.RegisterGRPCServer(s, &logReceiver{collector: received})
	}, opts...)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
	return received
}

func (c *collector) spans() (spans []ptrace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, request := range c.traces {
		for _, resource := range request.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					spans = append(spans, span)
				}
			}
		}
	}
	return spans
}

func eachText(m pcommon.Map, do func(string)) {
	for _, value := range m.All() {
		switch value.Type() {
		case pcommon.ValueTypeSlice:
			for _, element := range value.Slice().All() {
				do(element.AsString())
			}
		default:
			do(value.AsString())
		}
	}
}

func TestNoTextOfASpanIsLongerThanTheLimit(t *testing.T) {
	giant := strings.Repeat("€", 1<<20)
	received := startWhole(t)
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	_, span := otel.Tracer("test").Start(t.Context(), "name "+giant, trace.WithAttributes(attribute.String("at start", giant)))
	span.SetAttributes(attribute.String("later", giant), attribute.StringSlice("array", []string{"short", giant}))
	span.SetStatus(codes.Error, giant)
	span.AddLink(trace.Link{SpanContext: span.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("of a link", giant)}})
	for range 10 * maxEvents {
		span.AddEvent("event "+giant, trace.WithAttributes(attribute.String("of an event", giant)))
	}
	span.RecordError(errors.New(giant), trace.WithStackTrace(true))
	span.End()
	require.NoError(t, shutdown(t.Context()))

	require.Len(t, received.spans(), 1)
	got := received.spans()[0]
	texts := 0
	check := func(s string) {
		texts++
		assert.LessOrEqual(t, len(s), maxText)
		assert.True(t, utf8.ValidString(s))
	}
	check(got.Name())
	check(got.Status().Message())
	eachText(got.Attributes(), check)
	require.Equal(t, 1, got.Links().Len())
	eachText(got.Links().At(0).Attributes(), check)
	require.Equal(t, maxEvents, got.Events().Len())
	assert.EqualValues(t, 9*maxEvents+1, got.DroppedEventsCount())
	for _, event := range got.Events().All() {
		check(event.Name())
		eachText(event.Attributes(), check)
	}
	assert.Equal(t, 2+4+1+2*(maxEvents-1)+4, texts)
	assert.Equal(t, maxText/3*3, len(got.Name())-len(got.Name())%3, "as much as there is room for")
}

func TestABatchKeepsTheLinksToItsMessages(t *testing.T) {
	received := startWhole(t)
	shutdown, err := Setup(t.Context(), "audit-mq")
	require.NoError(t, err)
	var links []trace.Link
	for i := range 1000 {
		links = append(links, trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1, byte(i), byte(i >> 8)}})})
	}
	_, span := otel.Tracer("test").Start(t.Context(), "process", trace.WithLinks(links...))
	span.End()
	require.NoError(t, shutdown(t.Context()))
	require.Len(t, received.spans(), 1)
	assert.Equal(t, 1000, received.spans()[0].Links().Len())
}

func TestLimitsOfTheVariablesWin(t *testing.T) {
	for variable, length := range map[string]int{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": 10_000, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": 10} {
		t.Run(variable, func(t *testing.T) {
			received := startWhole(t)
			t.Setenv(variable, map[int]string{10_000: "10000", 10: "10"}[length])
			t.Setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "50")
			shutdown, err := Setup(t.Context(), "login-api")
			require.NoError(t, err)
			_, span := otel.Tracer("test").Start(t.Context(), "login")
			span.SetAttributes(attribute.String("long", strings.Repeat("a", 20_000)))
			for range 100 {
				span.AddEvent("event")
			}
			span.End()
			require.NoError(t, shutdown(t.Context()))
			require.Len(t, received.spans(), 1)
			assert.Len(t, attributeOf(t, received.spans()[0].Attributes(), "long"), length)
			assert.Equal(t, 50, received.spans()[0].Events().Len())
		})
	}
}

// blocked is a collector that is there and does not answer.
func blocked(t *testing.T) (opt grpc.ServerOption, unblock func()) {
	t.Helper()
	gate := make(chan struct{})
	unblock = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(unblock)
	return grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return handler(ctx, req)
	}), unblock
}

// TestLongTextsLeaveRoomForTheRest has strangers ask for 10,000 long paths, with long
// headers, while the collector does not answer: all spans and lines of the others
// that come after them are sent.
func TestLongTextsLeaveRoomForTheRest(t *testing.T) {
	opt, unblock := blocked(t)
	received := startWhole(t, opt, grpc.MaxRecvMsgSize(1<<30))
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	logger, tracer := otel.GetLoggerProvider().Logger("test"), otel.Tracer("test")
	request := func(text string) {
		_, span := tracer.Start(t.Context(), "GET", trace.WithSpanKind(trace.SpanKindServer))
		span.SetAttributes(attribute.String("http.user_agent", text), attribute.String("http.target", text), attribute.String("http.method", http.MethodGet))
		span.End()
		var record log.Record
		record.SetBody(attribute.StringValue("[HTTP] 404 - GET " + text))
		logger.Emit(t.Context(), record)
	}
	const hostile, innocent = 10_000, 1000
	long, short := strings.Repeat("a", maxBody), strings.Repeat("b", 200)
	for range hostile {
		request(long)
	}
	for range innocent {
		request(short)
	}
	unblock()
	require.NoError(t, shutdown(t.Context()))

	whole := 0
	lengths := map[int]int{}
	for _, span := range received.spans() {
		text := attributeOf(t, span.Attributes(), "http.target")
		lengths[len(text)]++
		if text == short {
			whole++
		}
	}
	assert.Equal(t, innocent, whole, "lengths: %v", lengths)
	assert.Greater(t, lengths[maxText], 1000, "what comes first is as long as ever")
	assert.Zero(t, received.dropped(t, "otel.sdk.processor.span.processed"))
	assert.Zero(t, received.dropped(t, "otel.sdk.processor.log.processed"))
}

// TestWhatWaitsIsBoundedInBytes holds the queues of spans and log records, while the
// collector does not answer, against their limits, and counts what they drop.
func TestWhatWaitsIsBoundedInBytes(t *testing.T) {
	opt, unblock := blocked(t)
	received := startWhole(t, opt, grpc.MaxRecvMsgSize(1<<30))
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	const sent = 40_000
	var record log.Record
	record.SetBody(attribute.StringValue(strings.Repeat("a", maxBody)))
	agent := strings.Repeat("a", 8*maxText)
	for range sent {
		_, span := otel.Tracer("test").Start(t.Context(), "GET", trace.WithSpanKind(trace.SpanKindServer))
		span.SetAttributes(attribute.String("http.user_agent", agent), attribute.String("http.target", agent), attribute.String("http.method", http.MethodGet))
		span.End()
		otel.GetLoggerProvider().Logger("test").Emit(t.Context(), record)
	}
	unblock()
	require.NoError(t, shutdown(t.Context()))

	spans, bytes := received.spans(), 0
	for _, span := range spans {
		eachText(span.Attributes(), func(s string) { bytes += len(s) })
	}
	assert.LessOrEqual(t, bytes, maxSpanBytes)
	assert.Greater(t, bytes, maxSpanBytes/2, "the limit is about what the texts take")
	records, bytes := 0, 0
	for _, request := range received.logs {
		for _, resource := range request.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					if scope.Scope().Name() == "test" { // and no line of go-zero's own
						records, bytes = records+1, bytes+len(record.Body().AsString())
					}
				}
			}
		}
	}
	assert.LessOrEqual(t, bytes, maxRecordBytes)
	assert.Greater(t, bytes, maxRecordBytes/2)
	assert.EqualValues(t, sent-len(spans), received.dropped(t, "otel.sdk.processor.span.processed"))
	assert.InDelta(t, sent-records, received.dropped(t, "otel.sdk.processor.log.processed"), 2, "go-zero writes lines of its own")
}

// dropped is what the metric counts as not fitting into a queue.
func (c *collector) dropped(t *testing.T, metric string) (n int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.metrics[len(c.metrics)-1]
	for _, scope := range last.ResourceMetrics().At(0).ScopeMetrics().All() {
		for _, m := range scope.Metrics().All() {
			if m.Name() != metric {
				continue
			}
			for _, point := range m.Sum().DataPoints().All() {
				if reason, _ := point.Attributes().Get("error.type"); reason.AsString() == "queue_full" {
					n += point.IntValue()
				}
			}
		}
	}
	return n
}

func TestQueueThatWasFullTakesAgain(t *testing.T) {
	b := &budget{maxItems: 2, maxBytes: 10, refused: func() {}}
	assert.True(t, b.admit(10))
	assert.False(t, b.admit(1), "in bytes")
	b.release(1, 10)
	assert.True(t, b.admit(1))
	assert.True(t, b.admit(1))
	assert.False(t, b.admit(1), "in items")
	b.release(2, 2)
	assert.True(t, b.admit(10))
}
