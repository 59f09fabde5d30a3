package score

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

// one is a store with one trace.
type one struct{ trace backend.Trace }

func (one) Name() string { return "Tempo" }

func (o one) Trace(context.Context, string) (backend.Trace, error) { return o.trace, nil }

func (o one) Search(context.Context, backend.TraceQuery) ([]backend.FoundTrace, error) {
	return []backend.FoundTrace{{ID: o.trace.ID}}, nil
}

func (one) Phrase(backend.TraceQuery) string { return "" }

// stored answers for Prometheus and Loki: the series of a service within an hour, those
// of the buckets of all services, and its lines.
type stored struct {
	hour, buckets []map[string]string
	lines         []string // texts; those with "unset" in them have no severity
}

func (s stored) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if strings.HasPrefix(r.URL.Path, "/loki/") {
		streams := []any{}
		for _, line := range s.lines {
			if strings.Contains(query.Get("query"), "severity_number") && !strings.Contains(line, "unset") {
				continue
			}
			streams = append(streams, map[string]any{"stream": map[string]string{"service_name": "orders", "trace_id": "b"}, "values": [][2]string{{"1", line}}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"resultType": "streams", "result": streams}})
		return
	}
	series := s.hour
	if !strings.Contains(query.Get("match[]"), "service_name") {
		series = s.buckets
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": series})
}

func histogram(service, name string, bounds ...string) (all []map[string]string) {
	for _, le := range append(bounds, "+Inf") {
		all = append(all, map[string]string{"__name__": name, "service_name": service, "le": le})
	}
	return all
}

// Each rule about metrics and logs by a fault of its own, which alone is found.
func TestRulesAboutMetricsAndLogs(t *testing.T) {
	const name = "http_server_request_duration_seconds_bucket"
	sound := stored{
		hour:    append(histogram("orders", name, "0.1", "1"), map[string]string{"__name__": "orders_total", "service_name": "orders", "route": "/orders"}),
		buckets: append(histogram("orders", name, "0.1", "1"), histogram("stock", name, "0.1", "1")...),
		lines:   []string{"an order is placed"},
	}
	for fault, c := range map[string]struct {
		change  func(*stored)
		rule    string
		example string
		trace   string
	}{
		"none": {change: func(*stored) {}},
		"many values": {change: func(s *stored) {
			for i := range 10_000 {
				s.hour = append(s.hour, map[string]string{"__name__": "orders_total", "service_name": "orders", "order": fmt.Sprint(i)})
			}
		}, rule: "MET-001", example: "orders_total has the attribute order with 10000 values within an hour"},
		"nearly too many values": {change: func(s *stored) {
			for i := range 9_999 {
				s.hour = append(s.hour, map[string]string{"__name__": "orders_total", "service_name": "orders", "order": fmt.Sprint(i), "instance": fmt.Sprint(i)})
			}
		}},
		"other buckets in another service": {change: func(s *stored) {
			s.buckets = append(histogram("orders", name, "0.1", "1"), histogram("stock", name, "0.5")...)
		}, rule: "MET-004", example: "http_server_request_duration_seconds has series with the buckets +Inf 0.1 1 and others with +Inf 0.5"},
		"an attribute's name": {change: func(s *stored) { s.hour[3]["__name__"] = "http_response_status_code_total" },
			rule: "MET-006", example: "the metric http_response_status_code_total has the name of the attribute http.response.status_code"},
		"a line without severity": {change: func(s *stored) { s.lines = append(s.lines, "unset: somebody's log file") },
			rule: "LOG-002", example: `the line "unset: somebody's log file" has no severity`, trace: "b"},
	} {
		t.Run(fault, func(t *testing.T) {
			held := stored{hour: append([]map[string]string{}, sound.hour...), buckets: sound.buckets, lines: sound.lines}
			held.hour[3] = map[string]string{"__name__": "orders_total", "service_name": "orders", "route": "/orders"}
			c.change(&held)
			orders := scored(t, held)
			require.Len(t, orders.Rules, 12)
			for _, r := range orders.Rules {
				assert.Equal(t, r.Rule != c.rule, r.Passed, r.Rule)
				if !r.Passed {
					assert.Equal(t, c.example, r.Example)
					assert.Equal(t, c.trace, r.TraceID)
				}
			}
		})
	}
	assert.Len(t, scored(t, stored{}).Rules, 8, "without metrics and logs their rules do not apply")
}

func scored(t *testing.T, held stored) Service {
	t.Helper()
	server := httptest.NewServer(held)
	defer server.Close()
	report, err := Scorer{
		Stores:     []backend.TraceSearcher{one{sound("a")}},
		Prometheus: backend.NewPrometheus(server.URL),
		Loki:       backend.NewLoki(server.URL),
	}.Report(t.Context(), Query{Last: time.Hour, Limit: 10})
	require.NoError(t, err)
	require.Len(t, report.Services, 1)
	assert.Equal(t, 1, report.Traces)
	assert.Regexp(t, `^\d+\.\d+\.\d+$`, report.Conventions)
	return report.Services[0]
}

// What cannot be asked is an error, not a better score.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	_, err := Scorer{
		Stores:     []backend.TraceSearcher{one{sound("a")}},
		Prometheus: backend.NewPrometheus("http://127.0.0.1:1"),
		Loki:       backend.NewLoki("http://127.0.0.1:1"),
	}.Report(t.Context(), Query{Last: time.Hour, Limit: 10})
	assert.ErrorContains(t, err, "Prometheus does not answer")
}

// noting is a store that notes from when on it was searched.
type noting struct {
	one
	from *time.Time
}

func (n noting) Search(ctx context.Context, query backend.TraceQuery) ([]backend.FoundTrace, error) {
	*n.from = query.Window.Start
	return n.one.Search(ctx, query)
}

// The lines of the first trace are looked at, however long it takes to read the rest.
func TestLinesAreOfTheTimeOfTheTraces(t *testing.T) {
	var traces, lines time.Time
	held := stored{lines: []string{"an order is placed"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/loki/") {
			start, err := strconv.ParseInt(r.URL.Query().Get("start"), 10, 64)
			assert.NoError(t, err)
			lines = time.Unix(0, start)
		}
		held.ServeHTTP(w, r)
	}))
	defer server.Close()
	_, err := Scorer{
		Stores:     []backend.TraceSearcher{noting{one{sound("a")}, &traces}},
		Prometheus: backend.NewPrometheus(server.URL),
		Loki:       backend.NewLoki(server.URL),
	}.Report(t.Context(), Query{Last: time.Minute, Limit: 10})
	require.NoError(t, err)
	assert.False(t, lines.After(traces), "lines from %s on, traces from %s on", lines, traces)
}
