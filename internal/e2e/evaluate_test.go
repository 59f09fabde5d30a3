package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate"
	"throughline/internal/stack"
)

// The shorter evaluation, with every fault. How fast this machine is beside its
// other work is told and not judged.
func TestEvaluationFindsNothingLost(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	dir := filepath.Join(t.TempDir(), "report")
	results, err := evaluate.Run(t.Context(), running, evaluate.Options{Out: dir, Duration: "short", Target: "native", Progress: t.Output()})
	require.NoError(t, err)

	for _, objective := range results.Objectives {
		t.Logf("%s: %v of %v %s: %s", objective.Name, objective.Value, objective.Target, objective.Unit, objective.Detail)
		if speed := strings.HasPrefix(objective.Name, "freshness") || objective.Unit == "ratio"; !speed {
			assert.True(t, objective.OK, objective.Name)
		}
		assert.NotNil(t, objective.Value, objective.Name)
	}
	require.NotNil(t, results.Correctness)
	for _, account := range results.Correctness.Accounts {
		assert.True(t, account.Balanced, "%s: %v", account.Signal, account.Stages)
	}
	assert.GreaterOrEqual(t, len(results.Faults), 13)
	for _, fault := range results.Faults {
		assert.True(t, fault.OK, "%s: %+v %+v", fault.Name, fault.Spans, fault.Logs)
	}
	assert.Len(t, results.NotRun, 1, "%v", results.NotRun)
	for _, file := range []string{"index.html", "results.json", "summary.md"} {
		assert.FileExists(t, filepath.Join(dir, file))
	}
	_, err = os.Stat(filepath.Join(dir, "unfinished.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, part := range running.Status(t.Context()) {
		assert.Contains(t, []stack.State{stack.Running, stack.External}, part.State, part.Name)
	}
}
