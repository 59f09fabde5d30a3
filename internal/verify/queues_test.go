package verify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeQueues shows two queues: that of Loki is empty now and then, and that of
// Jaeger holds what stuck tells.
func fakeQueues(t *testing.T, stuck *atomic.Int64) string {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `# TYPE otelcol_exporter_queue_size gauge
otelcol_exporter_queue_size{data_type="logs",exporter="otlp_http/loki"} %d
otelcol_exporter_queue_size{data_type="traces",exporter="otlp_http/jaeger"} %d
`, asked.Add(1)%2, stuck.Load())
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestQueuesThatAreEmptyNowAndThenDrain(t *testing.T) {
	url := fakeQueues(t, new(atomic.Int64))
	left, err := queuesThatDoNotDrain(t.Context(), url)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAQueueThatIsNeverEmptyIsNamed(t *testing.T) {
	var stuck atomic.Int64
	stuck.Store(70_000)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	left, err := queuesThatDoNotDrain(ctx, fakeQueues(t, &stuck))
	require.NoError(t, err)
	assert.Equal(t, []string{"otlp_http/jaeger (traces): 70000 bytes"}, left)
}

func TestACollectorThatIsAwayFailsTheQueues(t *testing.T) {
	_, err := queuesThatDoNotDrain(t.Context(), "http://127.0.0.1:1/metrics")
	assert.ErrorContains(t, err, "the collector")
}
