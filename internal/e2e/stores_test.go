package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/report"
	"throughline/internal/evaluate/result"
	"throughline/internal/stores"
)

// twoJaegers is a list as a team writes it: one store that the evaluation starts,
// and one that runs already, of which it has addresses and nothing else.
const twoJaegers = `
stores:
  - name: Jaeger of ours
    api: jaeger
    otlp: http://127.0.0.1:${OTLP_PORT}
    query: http://127.0.0.1:${QUERY_PORT}
    ready: http://127.0.0.1:${HEALTH_PORT}/status
    command: ["${JAEGER_BIN}", --config, jaeger/config.yaml]
    env:
      JAEGER_DATA_DIR: ${DATA_DIR}
      JAEGER_OTLP_HTTP_PORT: ${OTLP_PORT}
      JAEGER_QUERY_PORT: ${QUERY_PORT}
      JAEGER_QUERY_GRPC_PORT: ${GRPC_PORT}
      JAEGER_HEALTH_PORT: ${HEALTH_PORT}
      JAEGER_METRICS_PORT: ${METRICS_PORT}
      OTEL_TRACES_SAMPLER: always_off
    disk: {data: ["${DATA_DIR}"]}
  - name: Jaeger that runs
    api: jaeger
    otlp: http://%s
    query: %s
`

// TestACandidateThatIsAddedByAFileIsInEveryTable measures two stores that no code
// knows of.
func TestACandidateThatIsAddedByAFileIsInEveryTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, twoJaegers, running.JaegerOTLP(), running.Endpoints().Jaeger), 0o600))
	list, err := stores.Load(path, filepath.Join(running.Root(), "docs", "evaluate", "stores.schema.json"))
	require.NoError(t, err)

	plan := stores.Plan{
		Idle: time.Second, Rates: []int{1000, 2000, 4000}, Repetitions: 2, Repetition: time.Second,
		FreshRate: 500, FreshTraces: 3, FreshEvery: 200 * time.Millisecond,
		Sizes: []int{1000, 2000, 4000}, Warm: 5, Cold: 3, Patience: 200 * time.Millisecond, ColdAtEach: true, Settle: time.Minute,
	}
	bench, err := stores.NewBench(running, plan, t.Output(), "", 1)
	require.NoError(t, err)
	r := result.Results{Schema: result.Schema, Demand: &result.Demand{Rate: 2000, Retention: 3600, Prices: result.Prices{Currency: "USD", CPUHour: 1, MemoryGBMonth: 1, DiskGBMonth: 1}}}
	for _, c := range list.Stores {
		found, err := bench.Measure(t.Context(), c)
		require.NoError(t, err)
		r.Stores = append(r.Stores, found)
	}

	own, other := r.Stores[0], r.Stores[1]
	assert.Empty(t, r.Failures())
	require.Len(t, own.Ingest, 3)
	assert.Positive(t, *own.Ingest[0].CPUPerMillion)
	require.Len(t, own.Sizes, 3)
	for _, size := range own.Sizes {
		assert.Positive(t, *size.BytesPerSpan)
		assert.Positive(t, *size.Restart)
		answered := 0
		for _, q := range size.Queries {
			assert.Empty(t, q.Wrong, q.Kind)
			if q.Right && q.WarmP95 != nil {
				answered++
			}
		}
		assert.Equal(t, 9, answered, "all but what Jaeger has no question for")
	}
	require.NotNil(t, own.LostByKill)
	assert.Zero(t, *own.LostByKill, "Jaeger writes what it acknowledges")
	require.NotNil(t, own.PredictionError)
	assert.NotNil(t, own.PredictionError.Disk)
	for _, n := range own.NotMeasured {
		assert.Equal(t, "cold answers", n.What, "without root the page cache stays")
	}

	// Of the other one, all is measured that takes no access, and nothing is 0 that was not.
	require.Len(t, other.Ingest, 3)
	assert.Nil(t, other.Ingest[0].CPUPerMillion)
	assert.Nil(t, other.LostByKill)
	assert.NotNil(t, other.FreshnessP95)
	assert.Nil(t, other.Sizes[2].BytesPerSpan)
	var missing []string
	for _, n := range other.NotMeasured {
		missing = append(missing, n.What)
	}
	assert.ElementsMatch(t, []string{"idle", "what a kill loses", "time to restart, cold answers", "disk"}, missing)

	dir := t.TempDir()
	require.NoError(t, report.Write(dir, r))
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	for id, tables := range map[string]int{"decision": 1, "stores": 3} {
		_, section, _ := strings.Cut(string(page), `<section id="`+id+`"`)
		section, _, _ = strings.Cut(section, "</section>")
		parts := strings.Split(section, "<table")[1:]
		require.GreaterOrEqual(t, len(parts), tables, id)
		for _, table := range parts[:tables] {
			table, _, _ = strings.Cut(table, "</table>")
			for _, s := range r.Stores {
				assert.Contains(t, table, s.Name)
			}
		}
	}
}
