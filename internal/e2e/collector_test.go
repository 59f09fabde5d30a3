package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"throughline/internal/backend"
	"throughline/internal/otlpload"
	"throughline/internal/stack"
	"throughline/internal/verify"
)

const (
	// The limits that otel-collector/config.yaml sets, in bytes.
	textLimit, keyLimit, placeLimit = 2048, 256 * utf8.UTFMax, 32 << 10
	// collectorMemory is the collector's limit in docker-compose.yml.
	collectorMemory uint64 = 256 << 20
)

// fakeStores take what a collector hands over, each under a path of its own.
type fakeStores struct {
	*httptest.Server
	mu      sync.Mutex
	traces  []ptrace.Traces
	logs    []plog.Logs
	metrics []pmetric.Metrics
}

func newFakeStores(t *testing.T) *fakeStores {
	f := &fakeStores{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case err != nil:
		case strings.HasSuffix(r.URL.Path, "/v1/traces"):
			request := ptraceotlp.NewExportRequest()
			err = request.UnmarshalProto(body)
			f.traces = append(f.traces, request.Traces())
		case strings.HasSuffix(r.URL.Path, "/v1/logs"):
			request := plogotlp.NewExportRequest()
			err = request.UnmarshalProto(body)
			f.logs = append(f.logs, request.Logs())
		case strings.HasSuffix(r.URL.Path, "/v1/metrics"):
			request := pmetricotlp.NewExportRequest()
			if err = request.UnmarshalProto(body); err == nil {
				f.metrics = append(f.metrics, request.Metrics())
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeStores) address() string { return strings.TrimPrefix(f.URL, "http://") }

// held returns how many spans and log records the stores have taken.
func (f *fakeStores) held() (spans, records int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, traces := range f.traces {
		spans += traces.SpanCount()
	}
	for _, logs := range f.logs {
		records += logs.LogRecordCount()
	}
	return spans, records
}

// text returns all that the stores have taken of a test's own, as JSON.
func (f *fakeStores) text() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	add := func(text []byte, err error) {
		if err == nil && strings.Contains(string(text), "4bf92f3577b3") {
			all = append(all, string(text))
		}
	}
	for _, traces := range f.traces {
		add((&ptrace.JSONMarshaler{}).MarshalTraces(traces))
	}
	for _, logs := range f.logs {
		add((&plog.JSONMarshaler{}).MarshalLogs(logs))
	}
	for _, metrics := range f.metrics {
		add((&pmetric.JSONMarshaler{}).MarshalMetrics(metrics))
	}
	return all
}

// eachMetric looks at all metrics taken so far.
func (f *fakeStores) eachMetric(look func(resource pcommon.Map, metric pmetric.Metric)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, metrics := range f.metrics {
		for _, resource := range metrics.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					look(resource.Resource().Attributes(), metric)
				}
			}
		}
	}
}

// runCollector runs the collector as it is configured, with stores of the test's own.
func runCollector(t *testing.T, jaeger, others string, settings ...string) *stack.Collector {
	t.Helper()
	configs := append([]string{"otel-collector/config.yaml"}, settings...)
	c, err := running.RunCollector(t.Context(), strings.ToLower(t.Name()), configs, "JAEGER_OTLP_ENDPOINT="+jaeger,
		"TEMPO_OTLP_ENDPOINT="+others, "LOKI_OTLP_ENDPOINT="+others, "PROMETHEUS_OTLP_ENDPOINT="+others)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Stop(context.WithoutCancel(t.Context()))) })
	return c
}

func connect(t *testing.T, endpoint string) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second, Backoff: backoff.Config{BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond, Multiplier: 1.1}}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// hostileLogs returns a record for each place and form.
func hostileLogs() plog.Logs {
	logs := plog.NewLogs()
	record := func(change func(pcommon.Map, pcommon.InstrumentationScope, plog.LogRecord)) {
		resource := logs.ResourceLogs().AppendEmpty()
		scope := resource.ScopeLogs().AppendEmpty()
		r := scope.LogRecords().AppendEmpty()
		r.Body().SetStr("innocent")
		change(resource.Resource().Attributes(), scope.Scope(), r)
	}
	record(func(_ pcommon.Map, _ pcommon.InstrumentationScope, r plog.LogRecord) { r.Body().SetStr(otlpload.Giant) })
	record(func(_ pcommon.Map, _ pcommon.InstrumentationScope, r plog.LogRecord) {
		r.SetSeverityText(otlpload.Giant)
	})
	record(func(_ pcommon.Map, _ pcommon.InstrumentationScope, r plog.LogRecord) { r.SetEventName(otlpload.Giant) })
	record(func(_ pcommon.Map, scope pcommon.InstrumentationScope, _ plog.LogRecord) {
		scope.SetName(otlpload.Giant)
	})
	for _, stuff := range otlpload.GiantAttributes {
		record(func(_ pcommon.Map, _ pcommon.InstrumentationScope, r plog.LogRecord) { stuff(r.Body().SetEmptyMap()) })
		record(func(_ pcommon.Map, _ pcommon.InstrumentationScope, r plog.LogRecord) { stuff(r.Attributes()) })
		record(func(resource pcommon.Map, _ pcommon.InstrumentationScope, _ plog.LogRecord) { stuff(resource) })
		record(func(_ pcommon.Map, scope pcommon.InstrumentationScope, _ plog.LogRecord) { stuff(scope.Attributes()) })
	}
	return logs
}

// hostileMetrics returns a gauge for each place and form.
func hostileMetrics() pmetric.Metrics {
	metrics := pmetric.NewMetrics()
	gauge := func(change func(resource pcommon.Map, metric pmetric.Metric, point pcommon.Map)) {
		resource := metrics.ResourceMetrics().AppendEmpty()
		metric := resource.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		metric.SetName("hostile")
		point := metric.SetEmptyGauge().DataPoints().AppendEmpty()
		point.SetIntValue(1)
		point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		resource.Resource().Attributes().PutStr("service.name", "hostile")
		change(resource.Resource().Attributes(), metric, point.Attributes())
	}
	gauge(func(_ pcommon.Map, metric pmetric.Metric, _ pcommon.Map) { metric.SetName("hostile" + otlpload.Giant) })
	gauge(func(_ pcommon.Map, metric pmetric.Metric, _ pcommon.Map) {
		metric.SetDescription("hostile" + otlpload.Giant)
	})
	gauge(func(_ pcommon.Map, metric pmetric.Metric, _ pcommon.Map) { metric.SetUnit("hostile" + otlpload.Giant) })
	for _, stuff := range otlpload.GiantAttributes {
		gauge(func(_ pcommon.Map, _ pmetric.Metric, point pcommon.Map) { stuff(point) })
		gauge(func(resource pcommon.Map, _ pmetric.Metric, _ pcommon.Map) { stuff(resource) })
	}
	return metrics
}

func requireText(t *testing.T, where, text string) {
	t.Helper()
	require.LessOrEqual(t, len(text), textLimit, where)
	require.True(t, utf8.ValidString(text), "%s ends within a character", where)
}

func requireLimited(t *testing.T, where string, attributes pcommon.Map) {
	t.Helper()
	value := pcommon.NewValueMap()
	attributes.CopyTo(value.Map())
	require.LessOrEqual(t, len(value.AsString()), placeLimit+textLimit, where)
	require.LessOrEqual(t, attributes.Len(), 130, where)
	for key, value := range attributes.All() {
		require.LessOrEqual(t, len(key), keyLimit, where)
		if value.Type() == pcommon.ValueTypeStr {
			requireText(t, where+" "+key, value.Str())
		}
	}
}

// A foreign client puts 1 MB into each place of each signal.
func TestTheCollectorLimitsEveryText(t *testing.T) {
	stores := newFakeStores(t)
	c := runCollector(t, stores.address(), stores.address())
	connection := connect(t, c.OTLPGRPC)
	client, err := otlpload.Dial(c.OTLPGRPC)
	require.NoError(t, err)
	defer client.Close()
	hostile := otlpload.GiantTraces()
	for place, traces := range hostile {
		require.NoError(t, client.Send(t.Context(), traces), place)
	}
	records := 0
	for _, resource := range hostileLogs().ResourceLogs().All() {
		one := plog.NewLogs()
		resource.CopyTo(one.ResourceLogs().AppendEmpty())
		records++
		_, err = plogotlp.NewGRPCClient(connection).Export(t.Context(), plogotlp.NewExportRequestFromLogs(one))
		require.NoError(t, err)
	}
	gauges := 0
	for _, resource := range hostileMetrics().ResourceMetrics().All() {
		one := pmetric.NewMetrics()
		resource.CopyTo(one.ResourceMetrics().AppendEmpty())
		gauges++
		_, err = pmetricotlp.NewGRPCClient(connection).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(one))
		require.NoError(t, err)
	}
	usage, err := c.Usage()
	require.NoError(t, err)
	assert.Less(t, usage.Memory, collectorMemory)
	isHostile := func(metric pmetric.Metric) bool { return strings.HasPrefix(metric.Name(), "hostile") }
	require.Eventually(t, func() bool {
		spans, logs := stores.held()
		arrived := 0
		stores.eachMetric(func(_ pcommon.Map, metric pmetric.Metric) {
			if isHostile(metric) {
				arrived++
			}
		})
		return spans == 2*len(hostile) && logs == records && arrived == gauges
	}, 20*time.Second, 50*time.Millisecond, "all arrives")

	stores.eachMetric(func(resource pcommon.Map, metric pmetric.Metric) {
		requireLimited(t, "resource of a metric", resource)
		requireText(t, "metric", metric.Name())
		requireText(t, "description", metric.Description())
		requireText(t, "unit", metric.Unit())
		if isHostile(metric) {
			requireLimited(t, "data point", metric.Gauge().DataPoints().At(0).Attributes())
		}
	})
	for _, traces := range stores.traces {
		for _, resource := range traces.ResourceSpans().All() {
			requireLimited(t, "resource", resource.Resource().Attributes())
			for _, key := range []string{"service.name", "service.instance.id"} {
				value, ok := resource.Resource().Attributes().Get(key)
				require.True(t, ok, "a service keeps its %s", key)
				require.Equal(t, pcommon.ValueTypeStr, value.Type())
			}
			for _, scope := range resource.ScopeSpans().All() {
				requireText(t, "scope", scope.Scope().Name())
				requireText(t, "scope", scope.Scope().Version())
				requireLimited(t, "scope", scope.Scope().Attributes())
				for _, span := range scope.Spans().All() {
					requireText(t, "span", span.Name())
					requireText(t, "status", span.Status().Message())
					requireText(t, "trace state", span.TraceState().AsRaw())
					requireLimited(t, "span", span.Attributes())
					for _, event := range span.Events().All() {
						requireText(t, "event", event.Name())
						requireLimited(t, "event", event.Attributes())
					}
				}
			}
		}
	}
	for _, logs := range stores.logs {
		for _, resource := range logs.ResourceLogs().All() {
			requireLimited(t, "resource of a log record", resource.Resource().Attributes())
			for _, scope := range resource.ScopeLogs().All() {
				requireText(t, "scope of a log record", scope.Scope().Name())
				requireLimited(t, "scope of a log record", scope.Scope().Attributes())
				for _, record := range scope.LogRecords().All() {
					requireText(t, "body", record.Body().AsString())
					requireText(t, "severity", record.SeverityText())
					requireText(t, "event name", record.EventName())
					requireLimited(t, "log record", record.Attributes())
				}
			}
		}
	}
}

// What 100 requests with a header of 1 MB and 12 with a path of 900 kB made the
// services send, in parallel, and some of it in requests that are nearly too large.
func TestGiantTextsStayWithinTheMemoryLimit(t *testing.T) {
	stores := newFakeStores(t)
	c := runCollector(t, stores.address(), stores.address())
	client, err := otlpload.Dial(c.OTLPGRPC)
	require.NoError(t, err)
	defer client.Close()
	var group errgroup.Group
	group.SetLimit(8)
	spans := 0
	for request, count := range slices.Concat(slices.Repeat([]int{1}, 100), slices.Repeat([]int{12}, 3)) {
		traces := make([]ptrace.Traces, count)
		for i := range traces {
			_, traces[i] = otlpload.Trace(otlpload.OK)
			spans += traces[i].SpanCount()
			span := traces[i].ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
			span.Attributes().PutStr("http.user_agent", otlpload.Giant)
			if request%8 == 0 {
				span.SetName("/" + otlpload.Giant[:900_000])
			}
		}
		batch := otlpload.Batch(traces...)
		group.Go(func() error { return client.Send(t.Context(), batch) })
	}
	require.NoError(t, group.Wait())
	usage, err := c.Usage()
	require.NoError(t, err)
	t.Logf("%d MiB", usage.Memory>>20)
	assert.Less(t, usage.Memory, collectorMemory)
	require.Eventually(t, func() bool { held, _ := stores.held(); return held >= 2*spans }, 20*time.Second, 50*time.Millisecond, "all arrives")
}

// Whatever a client calls it, and wherever it puts it, no store gets a number.
func TestCollectorMasksMobileNumbers(t *testing.T) {
	const number = "13800000001"
	texts := []string{number, "0086" + number, "86" + number, "+86" + number, "user_" + number, number + "_login", "?mobile=%2B86" + number, "a " + number + ", b"}
	put := func(m pcommon.Map) {
		for i, text := range texts {
			m.PutStr(strings.Repeat("k", i+1), text)
		}
		m.PutStr("id", "4bf92f3577b3"+number) // a part of something else
	}
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	put(resource.Resource().Attributes())
	scope := resource.ScopeSpans().AppendEmpty()
	put(scope.Scope().Attributes())
	for _, text := range texts {
		span := scope.Spans().AppendEmpty()
		span.SetTraceID([16]byte{1})
		span.SetSpanID([8]byte{1})
		span.SetName(text)
		span.Status().SetMessage(text)
		put(span.Attributes())
		event := span.Events().AppendEmpty()
		event.SetName(text)
		put(event.Attributes())
	}
	logs := plog.NewLogs()
	place := logs.ResourceLogs().AppendEmpty()
	put(place.Resource().Attributes())
	put(place.ScopeLogs().AppendEmpty().Scope().Attributes())
	for _, text := range texts {
		record := place.ScopeLogs().At(0).LogRecords().AppendEmpty()
		record.Body().SetStr(text)
		put(record.Attributes())
	}
	metrics := pmetric.NewMetrics()
	source := metrics.ResourceMetrics().AppendEmpty()
	put(source.Resource().Attributes())
	put(source.ScopeMetrics().AppendEmpty().Scope().Attributes())
	gauge := source.ScopeMetrics().At(0).Metrics().AppendEmpty()
	gauge.SetName("of.the.mask")
	point := gauge.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetIntValue(1)
	put(point.Attributes())

	stores := newFakeStores(t)
	c := runCollector(t, stores.address(), stores.address())
	connection := connect(t, c.OTLPGRPC)
	_, err := ptraceotlp.NewGRPCClient(connection).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(traces))
	require.NoError(t, err)
	_, err = plogotlp.NewGRPCClient(connection).Export(t.Context(), plogotlp.NewExportRequestFromLogs(logs))
	require.NoError(t, err)
	_, err = pmetricotlp.NewGRPCClient(connection).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(metrics))
	require.NoError(t, err)
	var said []string
	require.Eventually(t, func() bool {
		said = stores.text()
		return len(said) >= 4 && slices.ContainsFunc(said, func(text string) bool { return strings.Contains(text, "of.the.mask") })
	}, 20*time.Second, 50*time.Millisecond, "spans in both stores, logs and metrics")
	for _, text := range said {
		whole := strings.ReplaceAll(text, "4bf92f3577b3"+number, "")
		if at := strings.Index(whole, number); at >= 0 {
			t.Errorf("a store got …%s…", whole[max(0, at-60):at+len(number)])
		}
		assert.Positive(t, strings.Count(whole, "138****0001"))
		assert.Positive(t, strings.Count(text, "4bf92f3577b3"+number), "what is no number")
	}
}

// A stranger sends giants, and Jaeger is killed in between: nobody else's spans
// are lost, both stores hold the same, and no queue stays behind.
func TestGiantTextsDoNotStopJaeger(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	client, err := otlpload.Dial(target.OTLPGRPC)
	require.NoError(t, err)
	defer client.Close()
	hostile := map[string]string{} // place by trace id
	attack := func() {
		for place, traces := range otlpload.GiantTraces() {
			id := traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID().String()
			hostile[id] = place
			require.NoError(t, client.Send(t.Context(), traces), place)
		}
	}
	attack()
	require.NoError(t, running.Kill("jaeger"))
	t.Cleanup(func() { assert.NoError(t, running.Start(context.WithoutCancel(t.Context()), "jaeger")) })
	attack()
	logins := logIn(t, 60)
	require.NoError(t, running.Start(t.Context(), "jaeger"))
	logins = append(logins, logIn(t, 20)...)
	requireWhole(t, logins, time.Minute, jaeger(), tempo())

	ids := map[string]string{}
	for _, login := range logins {
		ids[login.TraceID] = "a login"
	}
	for id, place := range hostile {
		ids[id] = place
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for id, place := range ids {
		var differences []string
		assert.Eventually(t, func() bool {
			inJaeger, err := backend.WaitForSpans(ctx, jaeger(), id, 1)
			require.NoError(t, err, place)
			inTempo, err := backend.WaitForSpans(ctx, tempo(), id, 1)
			require.NoError(t, err, place)
			withoutScopeAttributes(inJaeger, inTempo)
			differences = verify.Differences("Jaeger", inJaeger, "Tempo", inTempo)
			return len(differences) == 0 // Tempo shows nothing of the spans that it moves from memory to its log
		}, 20*time.Second, 50*time.Millisecond, "%s: %v", place, &differences)
	}
	requireEmptyQueues(t)
	for _, part := range running.Status(t.Context()) {
		if part.Name == "otel-collector" {
			assert.Less(t, part.Memory, collectorMemory)
		}
	}
}

// withoutScopeAttributes leaves out what Jaeger does not keep of any span.
func withoutScopeAttributes(traces ...backend.Trace) {
	for _, trace := range traces {
		for i := range trace.Spans {
			trace.Spans[i].Scope.Attributes = nil
		}
	}
}

func requireEmptyQueues(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		metrics, err := backend.ScrapeMetrics(t.Context(), "the collector", target.CollectorURL)
		return err == nil && metrics.Sum("otelcol_exporter_queue_size", func(labels map[string]string) bool { return labels["data_type"] == "traces" }) == 0
	}, 30*time.Second, 50*time.Millisecond, "the queues of spans drain")
}

// The collector is killed and started, again and again, while metrics, logs and
// spans come in. It can panic then, and is started again.
func TestTheCollectorStartsUnderLoad(t *testing.T) {
	const starts = 50
	connection := connect(t, target.OTLPGRPC)
	loaded, stop := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for range 2 {
		for _, send := range []func() error{
			func() error {
				metrics := pmetric.NewMetrics()
				metric := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
				metric.SetName("start:load") // a name that no program here has
				metric.SetEmptyGauge().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
				_, err := pmetricotlp.NewGRPCClient(connection).Export(loaded, pmetricotlp.NewExportRequestFromMetrics(metrics))
				return err
			},
			func() error {
				logs := plog.NewLogs()
				logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("load at the start")
				_, err := plogotlp.NewGRPCClient(connection).Export(loaded, plogotlp.NewExportRequestFromLogs(logs))
				return err
			},
			func() error {
				_, traces := otlpload.Trace(otlpload.OK)
				_, err := ptraceotlp.NewGRPCClient(connection).Export(loaded, ptraceotlp.NewExportRequestFromTraces(traces))
				return err
			},
		} {
			senders.Go(func() {
				pace := time.NewTicker(2 * time.Millisecond)
				defer pace.Stop()
				for loaded.Err() == nil {
					_ = send()
					<-pace.C
				}
			})
		}
	}
	defer senders.Wait()
	defer stop()
	t.Cleanup(func() { restart(t, "otel-collector") })
	log := filepath.Join(running.RunDir(), "logs", "otel-collector.log")
	before := panics(t, log)
	for n := range starts {
		require.NoError(t, running.Kill("otel-collector"))
		require.NoError(t, running.Start(t.Context(), "otel-collector"), "start %d of %d", n+1, starts)
	}
	t.Logf("%d starts, %d deaths in them", starts, panics(t, log)-before)
}

// panics counts the deaths that a log tells of.
func panics(t *testing.T, log string) int {
	t.Helper()
	text, err := os.ReadFile(log)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	return strings.Count(string(text), "\npanic: ")
}
