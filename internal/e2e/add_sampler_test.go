package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/stack"
)

// samplingWait is how long the samplers of twoTiers wait before they decide.
const samplingWait = 3 * time.Second

// twoTiers are two collectors of the first tier, beside the stack's own, and samplers,
// which they find in a file that is laid over their configuration.
type twoTiers struct {
	first    []*stack.Collector
	samplers []*stack.Collector
	list     string
	run      func(name, config, over string) *stack.Collector
}

func startTwoTiers(t *testing.T) *twoTiers {
	t.Helper()
	sampling, metrics := buildSampling(t), newFakeStores(t)
	tiers := &twoTiers{list: filepath.Join(t.TempDir(), "samplers.yaml")}
	tiers.run = func(name, config, over string) *stack.Collector {
		c, err := sampling.RunCollector(t.Context(), name,
			[]string{"otel-collector/config.yaml", "yaml:service::pipelines: null", "otel-collector/" + config, over},
			"TAIL_SAMPLING_WAIT="+samplingWait.String(), "TAIL_SAMPLING_PERCENT=100",
			"PROMETHEUS_OTLP_ENDPOINT="+metrics.address())
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, c.Remove(context.WithoutCancel(t.Context()))) })
		return c
	}
	for _, name := range []string{"sampler-a", "sampler-b"} {
		tiers.addSampler(t, name)
	}
	for _, name := range []string{"first-a", "first-b"} {
		tiers.first = append(tiers.first, tiers.run(name, "load-balancing.yaml", tiers.list))
	}
	return tiers
}

// addSampler restarts the first tier, one collector after the other, with a list of one
// sampler more.
func (tiers *twoTiers) addSampler(t *testing.T, name string) {
	t.Helper()
	tiers.samplers = append(tiers.samplers, tiers.run(name, "tail-sampling.yaml", "yaml:{}"))
	var addresses []string
	for _, sampler := range tiers.samplers {
		addresses = append(addresses, sampler.OTLPGRPC)
	}
	list := "exporters: {loadbalancing: {resolver: {static: {hostnames: [" + strings.Join(addresses, ", ") + "]}}}}\n"
	require.NoError(t, os.WriteFile(tiers.list, []byte(list), 0o600))
	for _, collector := range tiers.first {
		require.NoError(t, collector.Stop(t.Context()))
		require.NoError(t, collector.Start(t.Context()))
	}
}

// figure is one of the figures of tail sampling that a sampler tells.
func figure(t *testing.T, sampler *stack.Collector, name string) int {
	t.Helper()
	metrics, err := backend.ScrapeMetrics(t.Context(), "the sampler", sampler.Metrics)
	require.NoError(t, err)
	return int(metrics.Sum("otelcol_processor_tail_sampling_"+name, func(map[string]string) bool { return true }))
}

// holds is how many undecided traces a sampler holds.
func holds(t *testing.T, sampler *stack.Collector) int {
	t.Helper()
	return figure(t, sampler, "sampling_traces_on_memory")
}

// judged waits until all is decided, and returns how many traces that were, each as often
// as there were samplers that had a part of it.
func (tiers *twoTiers) judged(t *testing.T) (traces int) {
	t.Helper()
	for _, sampler := range tiers.samplers {
		require.Eventually(t, func() bool { return holds(t, sampler) == 0 }, time.Minute, 100*time.Millisecond)
		traces += figure(t, sampler, "new_trace_id_received_total")
	}
	return traces
}

func requireHolds(t *testing.T, sampler *stack.Collector, traces int) {
	t.Helper()
	require.Eventually(t, func() bool { return holds(t, sampler) >= traces }, time.Minute, 100*time.Millisecond)
}

// With everything kept, a sampler that is added costs nothing, and one that is killed
// costs at most the traces of its wait.
func TestSamplersAreAddedAndKilledUnderLoad(t *testing.T) {
	tiers := startTwoTiers(t)
	// The spans of one login come by both collectors of the first tier.
	for part, collector := range map[string]*stack.Collector{"login-api": tiers.first[0], "user-rpc": tiers.first[1], "audit-mq": tiers.first[1]} {
		t.Cleanup(func() { assert.NoError(t, running.Start(context.WithoutCancel(t.Context()), part)) })
		require.NoError(t, running.Start(t.Context(), part, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+collector.OTLPGRPC))
	}
	requireLoginsWorkWithin(t, 30*time.Second)

	before := tiers.judged(t)
	logins, refused := logInWhile(t, target.LoginURL, func() {
		tiers.addSampler(t, "sampler-c")
		requireHolds(t, tiers.samplers[2], 5)
	})
	require.Zero(t, refused)
	requireWhole(t, logins, time.Minute, jaeger(), tempo())
	t.Logf("%d logins while a sampler was added: %d were judged by two", len(logins), tiers.judged(t)-before-len(logins))

	var held int
	var killed, back time.Time
	logins, refused = logInWhile(t, target.LoginURL, func() {
		requireHolds(t, tiers.samplers[0], 10)
		held = holds(t, tiers.samplers[0])
		killed = time.Now()
		require.NoError(t, tiers.samplers[0].Kill(t.Context()))
		back = time.Now()
		require.NoError(t, tiers.samplers[0].Start(t.Context()))
		requireHolds(t, tiers.samplers[0], 5)
	})
	require.Zero(t, refused)
	var safe, others []demo.Login
	for _, login := range logins {
		if login.AnsweredAt.Before(killed.Add(-samplingWait-2*time.Second)) || login.AnsweredAt.After(back.Add(time.Second)) {
			safe = append(safe, login)
		} else {
			others = append(others, login)
		}
	}
	requireWhole(t, safe, 3*time.Minute, jaeger(), tempo())
	lost := 0
	for _, login := range others {
		trace, err := tempo().Trace(t.Context(), login.TraceID)
		if err != nil {
			require.ErrorIs(t, err, backend.ErrNotFound)
		}
		if trace.SpanCount() < wholeTrace {
			lost++
		}
	}
	t.Logf("%d logins while a sampler was killed that held %d traces: %d are not whole", len(logins), held, lost)
	assert.NotZero(t, lost)
	assert.InDelta(t, held, lost, float64(held))
}
