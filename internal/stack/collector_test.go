package stack

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeCollector returns a stack whose collector is the test binary: it listens
// only on the port for its health.
func fakeCollector(t *testing.T) *Stack {
	t.Helper()
	s := fakeStack(t, "serves")
	collector := *s.parts[0]
	collector.name = "otel-collector"
	script := filepath.Join(t.TempDir(), "otelcol")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nmkdir -p \"$COLLECTOR_QUEUE_DIR\"\ntouch \"$COLLECTOR_QUEUE_DIR/queue\"\n"+
		"FAKE=serves PORT=$COLLECTOR_HEALTH_PORT exec "+os.Args[0]+"\n"), 0o755))
	collector.binary = script
	collector.ports = []string{"COLLECTOR_OTLP_GRPC_PORT", "COLLECTOR_HEALTH_PORT", "COLLECTOR_METRICS_PORT"}
	s.parts = append(s.parts, &collector)
	return s
}

func TestACollectorBesideTheStacksOwnLeavesNothing(t *testing.T) {
	s := fakeCollector(t)
	c, err := s.RunCollector(t.Context(), "second", []string{"a.yaml", "yaml:b"}, "EXTRA=1")
	require.NoError(t, err)
	usage, err := c.Usage()
	require.NoError(t, err)
	assert.NotZero(t, usage.Memory)
	assert.NotEqual(t, c.OTLPGRPC, strings.TrimSuffix(strings.TrimPrefix(c.Metrics, "http://"), "/metrics"))
	id := s.readRecord("otel-collector-second").identity
	require.True(t, id.alive())
	assert.FileExists(t, filepath.Join(s.dataDir("otel-collector-second"), "queue"))

	require.NoError(t, c.Remove(t.Context()))
	assert.False(t, id.alive())
	assert.NoDirExists(t, s.dataDir("otel-collector-second"))
	_, err = c.Usage()
	assert.ErrorContains(t, err, "does not run")
}

func TestDownStopsACollectorThatNobodyStopped(t *testing.T) {
	s := fakeCollector(t)
	_, err := s.RunCollector(t.Context(), "forgotten", nil)
	require.NoError(t, err)
	id := s.readRecord("otel-collector-forgotten").identity
	require.True(t, id.alive())
	other := newFakeStack(s.root, s.parts...) // as a later process sees it
	require.NoError(t, other.Down(context.Background(), discard{}, DownOptions{}))
	assert.False(t, id.alive())
}

func TestACollectorWithABadConfigurationSaysSo(t *testing.T) {
	s := fakeCollector(t)
	s.parts[len(s.parts)-1].binary = "/bin/false"
	_, err := s.RunCollector(t.Context(), "broken", nil)
	assert.ErrorContains(t, err, "otel-collector-broken died while starting")
	assert.NoDirExists(t, s.dataDir("otel-collector-broken"))
}
