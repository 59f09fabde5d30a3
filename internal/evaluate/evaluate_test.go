package evaluate

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
	"throughline/internal/verify"
)

// targetAt is a stack all of whose parts answer at one address.
func targetAt(url string) verify.Target {
	return verify.Target{LoginURL: url, AuditURL: url, JaegerURL: url, TempoURL: url, LokiURL: url, PrometheusURL: url, CollectorURL: url + "/metrics"}
}

func TestInterruptedEvaluationGoesOn(t *testing.T) {
	options := Options{Out: filepath.Join(t.TempDir(), "report"), Duration: "short", Target: "native"}
	first, err := openState(options)
	require.NoError(t, err)
	assert.Empty(t, first.Done)
	first.Done = []string{"queries"}
	first.Results.Queries = &result.Queries{Traces: 7}
	require.NoError(t, first.save())

	second, err := openState(options)
	require.NoError(t, err)
	assert.Equal(t, []string{"queries"}, second.Done)
	assert.Equal(t, 7, second.Results.Queries.Traces)
	assert.True(t, first.Results.Started.Equal(second.Results.Started))

	other := options
	other.Duration = "full"
	third, err := openState(other)
	require.NoError(t, err)
	assert.Empty(t, third.Done, "another evaluation begins anew")

	require.NoError(t, second.close())
	fourth, err := openState(options)
	require.NoError(t, err)
	assert.Empty(t, fourth.Done, "a finished one, too")
}

func TestEvaluationSaysWhatItWants(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unfinished.json"), []byte("{"), 0o600))
	_, err := openState(Options{Out: dir})
	require.ErrorContains(t, err, "remove it to begin anew")

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = openState(Options{Out: file})
	require.ErrorContains(t, err, "give a directory")

	_, err = planOf("long")
	require.ErrorContains(t, err, `"long": give short or full`)

	err = newLab(targetAt("http://127.0.0.1:1"), nil, plans["short"], t.Output()).reachable(t.Context())
	require.ErrorContains(t, err, "make up")
	require.ErrorContains(t, err, "Loki does not answer")
}

// A name is what tells a step that was done from one that was not.
func TestStepsHaveNamesOfTheirOwn(t *testing.T) {
	for _, plan := range plans {
		seen := map[string]bool{}
		for _, step := range newLab(targetAt("http://127.0.0.1:1"), nil, plan, t.Output()).steps() {
			assert.False(t, seen[step.name], step.name)
			assert.Positive(t, step.usual)
			seen[step.name] = true
		}
	}
}
