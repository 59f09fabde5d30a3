package e2e

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/backend"
	"throughline/internal/otlpload"
	"throughline/internal/stack"
)

// telemetryDoc is docs/telemetry.md: the rows of each section's table, each row
// its cells.
func telemetryDoc(t *testing.T) map[string][][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/telemetry.md")
	require.NoError(t, err)
	rows := map[string][][]string{}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|---") {
			rows[section] = append(rows[section], strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, ""), "|"), "|"))
		}
	}
	return rows
}

var quoted = regexp.MustCompile("`([^`]+)`")

func names(cell string) []string {
	var all []string
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		all = append(all, match[1])
	}
	return all
}

func TestEverySpanIsDocumented(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	documented := map[string][]string{} // attributes by "service name KIND"
	for _, row := range telemetryDoc(t)["Spans of a login"][1:] {
		span, attributes := names(row[0]), names(row[2])
		attributes = slices.DeleteFunc(attributes, func(a string) bool { return a == "message" })
		key := strings.Fields(row[0])[0] + " " + span[0] + " " + strings.TrimSpace(row[1])
		documented[key] = slices.Sorted(slices.Values(attributes))
	}

	login := logIn(t, 1)[0]
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	trace, err := backend.WaitForSpans(ctx, tempo(), login.TraceID, wholeTrace)
	require.NoError(t, err)
	emitted := map[string][]string{}
	for _, span := range trace.Spans {
		emitted[fmt.Sprintf("%s %s %s", span.Service, span.Name, span.Kind)] = slices.Sorted(maps.Keys(span.Attributes))
	}
	for key := range documented {
		if len(documented[key]) == 0 {
			documented[key] = emitted[key][:0]
		}
	}
	assert.Equal(t, documented, emitted)
}

func TestEveryMetricIsDocumented(t *testing.T) {
	must, may := map[string]bool{}, map[string]bool{}
	doc := telemetryDoc(t)
	for _, row := range doc["Metrics of the services"][1:] {
		collect(must, may, row[0], row[1])
	}
	for _, row := range doc["Metrics that the collector makes"][1:] {
		collect(must, may, row[0], row[1])
	}

	requireLoginsWorkWithin(t, 30*time.Second)
	_, failed := otlpload.Trace(otlpload.Failed) // some metrics exist from the first failure on
	sendTraces(t, failed)
	prometheus := backend.NewPrometheus(target.PrometheusURL)
	var missing, undocumented []string
	require.Eventually(t, func() bool {
		values, err := prometheus.LabelValues(t.Context(), "__name__", `{__name__=~".+"}`, backend.Last(time.Hour))
		require.NoError(t, err)
		emitted := map[string]bool{}
		undocumented = nil
		for _, name := range values {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base := strings.TrimSuffix(name, suffix); must[base] || may[base] {
					name = base
				}
			}
			emitted[name] = true
			notOurs := strings.HasPrefix(name, "ALERTS") || strings.Contains(name, ":") || name == "target_info"
			if !must[name] && !may[name] && !notOurs {
				undocumented = append(undocumented, name)
			}
		}
		missing = slices.Collect(maps.Keys(must))
		missing = slices.DeleteFunc(missing, func(name string) bool { return emitted[name] })
		return len(missing) == 0
	}, time.Minute, time.Second, "all metrics are there")
	assert.Empty(t, missing, "documented in docs/telemetry.md and not emitted")
	assert.Empty(t, undocumented, "emitted and not documented in docs/telemetry.md")
}

// collect adds the names to must, or to may where the row says that the metric
// exists only at times.
func collect(must, may map[string]bool, what, cell string) {
	into := must
	for _, sometimes := range []string{"with the first", "with tail sampling", "GOMEMLIMIT"} {
		if strings.Contains(what, sometimes) {
			into = may
		}
	}
	for _, name := range names(cell) {
		into[name] = true
	}
}

func TestEveryLogFieldIsDocumented(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	documented := map[string]bool{}
	for _, row := range telemetryDoc(t)["Log lines"][1:] {
		for _, name := range names(row[0]) {
			documented[name] = true
		}
	}
	login := logIn(t, 1)[0]
	loki := backend.NewLoki(target.LokiURL)
	var lines []backend.LogLine
	require.Eventually(t, func() bool {
		var err error
		lines, err = loki.Lines(t.Context(), fmt.Sprintf(`{service_name=~".+"} | trace_id=%q`, login.TraceID), backend.Last(time.Minute), 100)
		require.NoError(t, err)
		return len(lines) >= 5
	}, 30*time.Second, 200*time.Millisecond, "the five lines of a login")
	for _, line := range lines {
		for field := range line.Labels {
			assert.True(t, documented[field], "%s of the line %q is not documented in docs/telemetry.md", field, line.Text)
		}
	}
}

// Docker and Kubernetes ask for the health every few seconds.
func TestAHealthCheckLeavesNoLine(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	for _, part := range running.Status(t.Context()) { // asks each
		require.Contains(t, []stack.State{stack.Running, stack.External}, part.State, part.Name)
	}
	login := logIn(t, 1)[0] // whose lines come after
	loki := backend.NewLoki(target.LokiURL)
	services := `{service_name=~"login-api|user-rpc|audit-mq"}`
	require.Eventually(t, func() bool {
		lines, err := loki.Lines(t.Context(), fmt.Sprintf(`%s | trace_id=%q`, services, login.TraceID), backend.Last(time.Minute), 100)
		require.NoError(t, err)
		return len(lines) >= 5
	}, 30*time.Second, 200*time.Millisecond, "the five lines of a login")
	lines, err := loki.Lines(t.Context(), services+` |~ "(?i)health"`, backend.Last(time.Hour), 100)
	require.NoError(t, err)
	require.Empty(t, lines)
}

// TestWhatServicesDropIsCounted holds the names of the SDK's series, on which the
// alert TelemetryDropped looks, against the SDK.
func TestWhatServicesDropIsCounted(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	require.NoError(t, running.Start(t.Context(), "user-rpc", "OTEL_BSP_MAX_QUEUE_SIZE=8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4",
		"OTEL_BLRP_MAX_QUEUE_SIZE=8", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE=4"))
	require.NoError(t, running.Start(t.Context(), "audit-mq", "OTEL_BSP_EXPORT_TIMEOUT=200", "OTEL_BLRP_EXPORT_TIMEOUT=200"))
	t.Cleanup(func() { restart(t, "user-rpc"); restart(t, "audit-mq") })
	logIn(t, 1)
	require.NoError(t, running.Stop(t.Context(), "otel-collector"))
	logIn(t, 30)
	require.NoError(t, running.Start(t.Context(), "otel-collector"))

	prometheus := backend.NewPrometheus(target.PrometheusURL)
	for _, dropped := range []string{
		`service_name="user-rpc", otel_component_type="batching_span_processor", error_type="queue_full"`,
		`service_name="user-rpc", otel_component_type="batching_log_processor", error_type="queue_full"`,
		`service_name="audit-mq", otel_component_type="otlp_grpc_span_exporter", error_type!="queue_full"`,
		`service_name="audit-mq", otel_component_type="otlp_grpc_log_exporter", error_type!="queue_full"`,
	} {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			series, err := prometheus.Query(t.Context(), "telemetry:dropped:total{"+dropped+"} > 0", time.Now())
			require.NoError(c, err)
			assert.NotEmpty(c, series)
		}, time.Minute, 500*time.Millisecond, dropped)
	}
}

// sendTraces sends traces to the collector, as a stranger would.
func sendTraces(t *testing.T, traces ptrace.Traces) {
	t.Helper()
	client, err := otlpload.Dial(target.OTLPGRPC)
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.Send(t.Context(), traces))
}

// addSpan adds a span of the service, in a trace of its own: the first of a login's.
func addSpan(traces ptrace.Traces, service string) ptrace.Span {
	_, login := otlpload.Trace(otlpload.OK)
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	span := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	login.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).CopyTo(span)
	return span
}

func TestCollectorMasksANumberWhereverItStands(t *testing.T) {
	want := map[string]string{
		"13812345678":                           "138****5678",
		"8613812345678":                         "86138****5678",
		"+86 13812345678, 13912345678":          "+86 138****5678, 139****5678",
		"/v1/users?mobile=13812345678&page=1":   "/v1/users?mobile=138****5678&page=1",
		"/v1/users?mobile=%2B8613812345678":     "/v1/users?mobile=%2B86138****5678",
		`{"mobile":"13812345678"}`:              `{"mobile":"138****5678"}`,
		"1732371234567":                         "1732371234567",
		"order 213812345678":                    "order 213812345678",
		"7c13812345678f00a1b2c3d4e5f60718":      "7c13812345678f00a1b2c3d4e5f60718",
		"11012345678, no operator has such one": "11012345678, no operator has such one",
	}
	id, traces := otlpload.Trace(otlpload.OK)
	resource := traces.ResourceSpans().At(0)
	span := resource.ScopeSpans().At(0).Spans().At(0)
	span.SetName("13812345678")
	span.Attributes().PutDouble("ratio", math.NaN()) // must not hide the rest
	event := span.Events().AppendEmpty()
	event.SetName("asked for 13812345678")
	for given := range want {
		resource.Resource().Attributes().PutStr("resource "+want[given], given)
		span.Attributes().PutStr("span "+want[given], given)
		event.Attributes().PutStr("event "+want[given], given)
	}
	sendTraces(t, traces)

	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		trace := storedTrace(t, store, id, traces.SpanCount())
		at := slices.IndexFunc(trace.Spans, func(s backend.Span) bool { return s.Attributes["ratio"] != nil })
		require.GreaterOrEqual(t, at, 0)
		found := trace.Spans[at]
		assert.Equal(t, "138****5678", found.Name)
		at = slices.IndexFunc(found.Events, func(e backend.Event) bool { return e.Name == "asked for 138****5678" })
		require.GreaterOrEqual(t, at, 0, "%v", found.Events)
		masked := found.Events[at]
		for _, expected := range want {
			// A number among the attributes' names stays: here it is the masked one.
			assert.Equal(t, expected, found.Resource["resource "+expected], store.Name())
			assert.Equal(t, expected, found.Attributes["span "+expected], store.Name())
			assert.Equal(t, expected, masked.Attributes["event "+expected], store.Name())
		}
	}
}
