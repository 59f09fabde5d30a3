package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/dashboards"
	"throughline/internal/demo"
)

// Some panels are empty while all is well. Provoke what they are for.
func TestPanelsOfTroubleShowTheTrouble(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	publish(t, publisher(t), amqp.Publishing{MessageId: uuid.NewString(), Body: []byte("not json")})
	require.NoError(t, running.Kill("user-rpc"))
	defer restart(t, "user-rpc")
	backends := panelBackends()
	bringAbout(t, "errors", time.Second)
	all, err := dashboards.Load(filepath.Join(target.Grafana, "dashboards"))
	require.NoError(t, err)
	provoked := 0
	for _, d := range all {
		queries, err := d.Queries(map[string]string{"slower_than": "1ms", "trace_id": strings.Repeat("1", 32)})
		require.NoError(t, err)
		for _, q := range queries {
			if !q.EmptyIsHealthy || q.Panel == "Not queued" { // that takes a queue of 2 GiB to be full
				continue
			}
			provoked++
			assert.Eventually(t, func() bool {
				_ = login(t).Body.Close() // keeps failing, until go-zero's breaker turns it away
				rows, err := backends.Run(t.Context(), q)
				return assert.NoError(t, err) && rows > 0
			}, time.Minute, 100*time.Millisecond, "%s: %s", q, q.Expr)
		}
	}
	assert.Positive(t, provoked)
}

// The ids in Tempo's answer to a search, which a table links to, have no leading zeros.
func TestTraceAndLogsFindsAnIDWithoutItsLeadingZeros(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	last := logIn(t, 1)[0]
	for range 500 { // one of 16 begins with a zero
		if strings.HasPrefix(last.TraceID, "0") {
			break
		}
		last = logIn(t, 1)[0]
	}
	require.Regexp(t, "^0", last.TraceID)
	requireWhole(t, []demo.Login{last}, time.Minute, jaeger(), tempo())
	all, err := dashboards.Load(filepath.Join(target.Grafana, "dashboards"))
	require.NoError(t, err)
	d := all[slices.IndexFunc(all, func(d dashboards.Dashboard) bool { return d.UID == "trace-and-logs" })]
	backends := panelBackends()

	queries, err := d.Queries(map[string]string{"trace_id": strings.TrimLeft(last.TraceID, "0")})
	require.NoError(t, err)
	for _, q := range queries {
		require.Eventually(t, func() bool {
			if q.Kind == dashboards.TraceQL { // the latest login is among the latest
				ids, err := backends.Tempo.SearchIn(t.Context(), q.Expr, backend.Last(q.Window), q.Limit)
				return err == nil && slices.Contains(ids, last.TraceID)
			}
			rows, err := backends.Run(t.Context(), q)
			return err == nil && rows > 0
		}, time.Minute, 100*time.Millisecond, "%s: %s", q, q.Expr)
	}

	queries, err = d.Queries(nil)
	require.NoError(t, err)
	for _, q := range queries {
		if q.Kind == dashboards.LogQL {
			rows, err := backends.Run(t.Context(), q)
			require.NoError(t, err)
			require.Zero(t, rows, "without an id there are no lines: %s", q.Expr)
		}
	}
}

func panelBackends() dashboards.Backends {
	return dashboards.Backends{
		Prometheus: backend.NewPrometheus(target.PrometheusURL),
		Loki:       backend.NewLoki(target.LokiURL),
		Tempo:      backend.NewTempo(target.TempoURL),
		Jaeger:     backend.NewJaeger(target.JaegerURL),
	}
}

func TestNoLogLineIsLostWhileLokiIsAway(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	require.NoError(t, running.Kill("loki"))
	logins := logIn(t, 20)
	require.NoError(t, running.Start(t.Context(), "loki"))
	loki := backend.NewLoki(target.LokiURL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, l := range logins {
		query := fmt.Sprintf(`{service_name=~".+"} | trace_id=%q`, l.TraceID)
		require.Eventually(t, func() bool {
			lines, err := loki.Lines(ctx, query, backend.Last(5*time.Minute), 100)
			return err == nil && len(lines) == 5
		}, time.Minute, 100*time.Millisecond, "the five lines of trace %s", l.TraceID)
	}
}

func TestMetricsWaitWhilePrometheusIsAway(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	prometheus := backend.NewPrometheus(target.PrometheusURL)
	told := func() map[string]float64 { // by instance: one that is gone is still told of for a while
		series, err := prometheus.Query(t.Context(), `login_attempts_total{result="success"}`, time.Now())
		if err != nil {
			return nil
		}
		values := map[string]float64{}
		for _, s := range series {
			values[s.Labels["instance"]] = s.Points[0].Value
		}
		return values
	}
	before := told()
	require.NotNil(t, before)
	require.NoError(t, running.Kill("prometheus"))
	logins := logIn(t, 100) // more than wait to be counted from before
	require.NoError(t, running.Start(t.Context(), "prometheus"))
	require.Eventually(t, func() bool {
		for instance, value := range told() {
			if value-before[instance] >= float64(len(logins)) {
				return true
			}
		}
		return false
	}, time.Minute, 250*time.Millisecond)
}
