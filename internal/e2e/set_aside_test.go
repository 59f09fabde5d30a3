package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The collector starts with a queue that the death of its machine has damaged, and
// somebody is told.
func TestQueueThatIsSetAsideIsCountedAndAlerts(t *testing.T) {
	const metaPages = 2 * 4096 // of the file's format: without them the collector does not start
	queue := filepath.Join(running.RunDir(), "data", "otel-collector", "exporter_otlp_http_loki_logs")
	require.NoError(t, running.Stop(t.Context(), "otel-collector"))
	content, err := os.ReadFile(queue)
	require.NoError(t, err)
	require.Greater(t, len(content), metaPages)
	require.NoError(t, os.WriteFile(queue, append(content[:metaPages:metaPages], bytes.Repeat([]byte{0xff}, len(content)-metaPages)...), 0o600))
	require.NoError(t, running.Start(t.Context(), "otel-collector"))

	aside, err := filepath.Glob(queue + ".*.backup")
	require.NoError(t, err)
	require.Len(t, aside, 1)
	require.Eventually(t, func() bool { return firing(t, "QueueSetAside", "") }, time.Minute, 500*time.Millisecond)
	require.NoError(t, os.Remove(aside[0]))
	assert.Eventually(t, func() bool { return !firing(t, "QueueSetAside", "") }, time.Minute, 500*time.Millisecond)
}
