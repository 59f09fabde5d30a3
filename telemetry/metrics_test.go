package telemetry

import (
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/metric"
	"github.com/zeromicro/go-zero/core/proc"
	"github.com/zeromicro/go-zero/core/prometheus"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// requests is a metric as go-zero makes them: once in a process.
var requests = metric.NewCounterVec(&metric.CounterVecOpts{Namespace: "test", Name: "requests_total", Help: "requests", Labels: []string{"path"}})

func TestGoZerosMetricsAreTakenOver(t *testing.T) {
	prometheus.Enable()
	requests.Inc("/v1/login")

	scopes, err := newGoZeroProducer(prom.DefaultGatherer).Produce(t.Context())
	require.NoError(t, err)
	require.Len(t, scopes, 1)
	found := map[string]metricdata.Aggregation{}
	for _, m := range scopes[0].Metrics {
		found[m.Name] = m.Data
		assert.NotRegexp(t, "^(go|process|promhttp)_", m.Name)
	}
	sum, ok := found["test_requests_total"].(metricdata.Sum[float64])
	require.True(t, ok)
	assert.Positive(t, sum.DataPoints[0].Value)
}

func TestGoZerosMetricsOutliveItsShutdown(t *testing.T) {
	defer func(before prom.Registerer) { prom.DefaultRegisterer = before }(prom.DefaultRegisterer)
	keepMetricsToTheEnd()
	prometheus.Enable()
	metric.NewCounterVec(&metric.CounterVecOpts{Namespace: "last", Name: "words_total", Help: "h", Labels: []string{"l"}}).Inc("a")

	proc.WrapUp()
	proc.Shutdown() // unregisters it

	metrics, err := newGoZeroProducer(prom.DefaultGatherer).Produce(t.Context())
	require.NoError(t, err)
	var names []string
	for _, m := range metrics[0].Metrics {
		names = append(names, m.Name)
	}
	assert.Contains(t, names, "last_words_total")
}
