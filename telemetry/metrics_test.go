package telemetry

import (
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/metric"
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
