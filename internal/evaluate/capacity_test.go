package evaluate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
)

func TestBrokenBy(t *testing.T) {
	kept := result.CapacityStep{Rate: 100, Achieved: 95, LatencyP95: 500, FreshnessP95: 2, QueueDepth: 100}
	require.Empty(t, brokenBy(kept), "every figure is just within its objective")

	for figure, spoil := range map[string]func(*result.CapacityStep){
		"1 logins failed":      func(s *result.CapacityStep) { s.Failed = 1 },
		"501 ms":               func(s *result.CapacityStep) { s.LatencyP95 = 501 },
		"2.5 s":                func(s *result.CapacityStep) { s.FreshnessP95 = 2.5 },
		"94 logins per second": func(s *result.CapacityStep) { s.Achieved = 94 },
		"101 messages":         func(s *result.CapacityStep) { s.QueueDepth = 101 },
	} {
		step := kept
		spoil(&step)
		broken := brokenBy(step)
		require.Len(t, broken, 1, figure)
		require.Contains(t, broken[0], figure)
	}
	require.Len(t, brokenBy(result.CapacityStep{Rate: 100, Failed: 9, LatencyP95: 9e3, FreshnessP95: 9, QueueDepth: 900}), 5, "all are told")
}

func TestAtLimit(t *testing.T) {
	cores := map[string]float64{"login-api": 0.5, "jaeger": 0.95, "load": 0.3}
	require.Equal(t, "the machine: 1.9 of the machine's 2 cores were busy, 0.95 of them with jaeger", atLimit(result.CapacityStep{Cores: cores}, 1.9, 2))
	require.Equal(t, "jaeger: it used 0.95 cores, while 2.0 of the machine's 8 cores were busy", atLimit(result.CapacityStep{Cores: cores}, 2, 8))
	require.Contains(t, atLimit(result.CapacityStep{Cores: map[string]float64{"load": 1, "jaeger": 0.5}}, 1.9, 2), "1.00 of them with the load generator")
	require.Contains(t, atLimit(result.CapacityStep{Cores: map[string]float64{"jaeger": 0.3, "tempo": 0.1}}, 0.5, 2), "not the CPU")
	late := result.CapacityStep{Cores: map[string]float64{"jaeger": 0.3, "tempo": 0.1}, FreshnessP95: 2.5, SlowerStore: "Tempo"}
	require.Contains(t, atLimit(late, 0.5, 2), "Tempo, and not for want of CPU: it used 0.10 cores")
	late.StillAtWork = "after 1m0s tempo used 1.07 cores"
	require.Contains(t, atLimit(late, 0.5, 2), "; but after 1m0s tempo used 1.07 cores when the step began, for what came before", "nothing is certain then")
	require.Contains(t, atLimit(result.CapacityStep{Cores: cores}, 4, 4), "2.25 of them with what is neither", "another program")
	require.Contains(t, atLimit(result.CapacityStep{}, 1.9, 2), "what is neither", "containers, whose CPU time is not known")
}

func TestCoresSince(t *testing.T) {
	began := time.Now()
	before := cpuTimes{at: began, parts: map[string]float64{"jaeger": 10, "load": 1}}
	after := cpuTimes{at: began.Add(4 * time.Second), parts: map[string]float64{"jaeger": 12, "load": 1, "tempo": 30}}
	require.Equal(t, map[string]float64{"jaeger": 0.5, "load": 0}, after.coresSince(before), "tempo has no beginning to count from")
}
