package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"throughline/internal/evaluate"
	"throughline/internal/load"
	"throughline/internal/stack"
)

// printed shows the figures behind pointers, too.
func printed(t *testing.T, result any) string {
	t.Helper()
	text, err := json.Marshal(result)
	require.NoError(t, err)
	return string(text)
}

// The shorter evaluation, with every fault. How fast this machine is beside its
// other work is told and not judged.
func TestEvaluationFindsNothingLost(t *testing.T) {
	buildSampling(t)
	requireLoginsWorkWithin(t, 30*time.Second)
	dir := filepath.Join(t.TempDir(), "report")
	var held error
	progress := writer(func(line []byte) (int, error) {
		if held == nil {
			_, held = running.Lock()
		}
		return t.Output().Write(line)
	})
	results, err := evaluate.Run(t.Context(), running, evaluate.Options{Out: dir, Duration: "short", Target: "native", Only: evaluate.OnlyStack, Progress: progress})
	require.NoError(t, err)
	require.ErrorContains(t, held, "is at work", "make up would mend what is broken on purpose")

	for _, objective := range results.Objectives {
		t.Log(printed(t, objective))
		if speed := strings.HasPrefix(objective.Name, "freshness") || objective.Unit == "ratio"; !speed {
			assert.True(t, objective.OK, printed(t, objective))
		}
		assert.NotNil(t, objective.Value, objective.Name)
	}
	require.NotNil(t, results.Correctness)
	for _, account := range results.Correctness.Accounts {
		assert.True(t, account.Balanced, "%s: %v", account.Signal, account.Stages)
	}
	assert.GreaterOrEqual(t, len(results.Faults), 18)
	for _, fault := range results.Faults {
		assert.True(t, fault.OK, printed(t, fault))
	}
	require.Len(t, results.NotRun, 2, "%v", results.NotRun)
	for _, left := range results.NotRun {
		assert.True(t, left.NotApplicable, left.Reason)
	}
	for _, failure := range results.Failures() {
		assert.Contains(t, failure, "objective", "beside how fast it is, which was judged above")
	}
	require.NotNil(t, results.Sampling)
	assert.Less(t, results.Sampling.SpansKept, results.Sampling.SpansSent/2)
	for _, group := range results.Sampling.Groups {
		require.NotZero(t, group.Sent, group.Name)
		assert.Zero(t, group.Partial, "%s: traces that are kept are whole", group.Name)
	}
	rest := results.Sampling.Groups[0]
	assert.InDelta(t, rest.Expected, float64(rest.Whole)/float64(rest.Sent), 0.08, "the share of the rest") // five standard deviations
	require.NotNil(t, results.Capacity)
	for _, step := range results.Capacity.Steps {
		t.Logf("%.0f logins a second: cores %v, at work before: %q", step.Rate, step.Cores, step.StillAtWork)
	}
	for _, file := range []string{"index.html", "results.json", "summary.md"} {
		assert.FileExists(t, filepath.Join(dir, file))
	}
	_, err = os.Stat(filepath.Join(dir, "unfinished.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, part := range running.Status(t.Context()) {
		assert.Contains(t, []stack.State{stack.Running, stack.External}, part.State, part.Name)
		assert.NotContains(t, part.Name, "sampler")
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(line []byte) (int, error) { return w(line) }

func TestEvaluationStopsForSomebodyElsesTraffic(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	ctx, stop := context.WithCancel(t.Context())
	var other sync.WaitGroup
	t.Cleanup(func() { stop(); other.Wait() })
	other.Go(func() {
		load.Drive(ctx, load.Logins(target.LoginURL), vegeta.Rate{Freq: 5, Per: time.Second}, time.Hour, func(load.Answer) {})
	})
	dir := filepath.Join(t.TempDir(), "report")
	_, err := evaluate.Run(t.Context(), running, evaluate.Options{Out: dir, Duration: "short", Target: "native", Only: evaluate.OnlyStack, Rest: 4 * time.Second, Progress: t.Output()})
	require.ErrorContains(t, err, "something else uses the stack")
	require.Regexp(t, `rows of the audit trail, [45](\.\d+)? a second`, err.Error())
	require.NoFileExists(t, filepath.Join(dir, "results.json"), "nothing was measured")
}
