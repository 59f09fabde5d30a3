package backend

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMetricsAreAddedUp(t *testing.T) {
	page := `# TYPE sent_total counter
sent_total{exporter="a"} 3
sent_total{exporter="b"} 4
# TYPE size gauge
size 7
untyped 1.5
`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) }))
	defer server.Close()
	metrics, err := ScrapeMetrics(t.Context(), "the collector", server.URL)
	require.NoError(t, err)
	all := func(map[string]string) bool { return true }
	assert.Equal(t, 7.0, metrics.Sum("sent_total", all))
	assert.Equal(t, 4.0, metrics.Sum("sent_total", func(labels map[string]string) bool { return labels["exporter"] == "b" }))
	assert.Equal(t, 7.0, metrics.Sum("size", all))
	assert.Equal(t, 1.5, metrics.Sum("untyped", all))
	assert.Zero(t, metrics.Sum("absent", all))

	page = "this is { no metric"
	_, err = ScrapeMetrics(t.Context(), "the collector", server.URL)
	assert.ErrorContains(t, err, server.URL)
}
