package evaluate

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
	"throughline/internal/verify"
)

// targetAt is a stack all of whose parts answer at one address.
func targetAt(url string) verify.Target {
	return verify.Target{LoginURL: url, AuditURL: url, JaegerURL: url, TempoURL: url, LokiURL: url, PrometheusURL: url, CollectorURL: url + "/metrics"}
}

func TestInterruptedEvaluationGoesOn(t *testing.T) {
	options := Options{Out: filepath.Join(t.TempDir(), "report"), Duration: "short", Target: "native"}
	as := conditions{Revision: "a1", Settings: "s1"}
	first, why, err := openState(options, as)
	require.NoError(t, err)
	assert.Empty(t, first.Done)
	assert.Empty(t, why, "there was none before")
	first.Done = []string{"capacity"}
	first.Results.Capacity = &result.Capacity{Sustained: 7}
	require.NoError(t, first.save())

	second, why, err := openState(options, as)
	require.NoError(t, err)
	assert.Empty(t, why)
	assert.Equal(t, []string{"capacity"}, second.Done)
	assert.InEpsilon(t, 7.0, second.Results.Capacity.Sustained, 0)
	assert.True(t, first.Results.Started.Equal(second.Results.Started))

	require.NoError(t, second.close())
	third, _, err := openState(options, as)
	require.NoError(t, err)
	assert.Empty(t, third.Done, "a finished one begins anew")
}

func TestAnotherEvaluationBeginsAnewAndSaysWhy(t *testing.T) {
	options := Options{Out: filepath.Join(t.TempDir(), "report"), Duration: "short", Target: "native"}
	as := conditions{Revision: "a1", Settings: "s1"}
	old := func(t *testing.T, started time.Time) {
		t.Helper()
		first, _, err := openState(options, as)
		require.NoError(t, err)
		first.Done, first.Results.Started = []string{"capacity"}, started
		require.NoError(t, first.save())
	}
	full, compose := options, options
	full.Duration, compose.Target = "full", "compose"
	for why, test := range map[string]struct {
		options Options
		as      conditions
		age     time.Duration
	}{
		"it is short, and this is full":                             {full, as, 0},
		"it is of the native stack, and this of the compose one":    {compose, as, 0},
		"it is of revision a1, and this of b2":                      {options, conditions{Revision: "b2", Settings: "s1"}, 0},
		"the parts had other versions, configurations or variables": {options, conditions{Revision: "a1", Settings: "s2"}, 0},
		"it began 25h0m0s ago, longer than 24h0m0s":                 {options, as, 25 * time.Hour},
	} {
		t.Run(why, func(t *testing.T) {
			old(t, time.Now().Add(-test.age))
			anew, got, err := openState(test.options, test.as)
			require.NoError(t, err)
			assert.Equal(t, why, got)
			assert.Empty(t, anew.Done)
			assert.Equal(t, test.options.Duration, anew.Results.Duration)
			assert.WithinDuration(t, time.Now(), anew.Results.Started, time.Minute)
		})
	}
	t.Run("one that is younger", func(t *testing.T) {
		old(t, time.Now().Add(-23*time.Hour))
		goesOn, _, err := openState(options, as)
		require.NoError(t, err)
		assert.NotEmpty(t, goesOn.Done)
	})
}

func TestTheRevisionKnowsWhatIsNotCommitted(t *testing.T) {
	root := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	file := filepath.Join(root, "file")
	seen := map[string]bool{}
	for step, change := range []func(){
		func() {
			git("init", "--quiet")
			write(t, file, "1")
			git("add", ".")
			git("commit", "--quiet", "-m", "one")
		},
		func() { write(t, file, "2") },
		func() { write(t, file, "3") },
		func() { git("commit", "--quiet", "-a", "-m", "two") },
	} {
		change()
		now := exactRevision(t.Context(), root)
		assert.NotEmpty(t, now)
		assert.False(t, seen[now], "step %d: %s", step, now)
		seen[now] = true
	}
	assert.Empty(t, exactRevision(t.Context(), t.TempDir()), "a copy without its history")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestEvaluationSaysWhatItWants(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unfinished.json"), []byte("{"), 0o600))
	_, _, err := openState(Options{Out: dir}, conditions{})
	require.ErrorContains(t, err, "remove it to begin anew")

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, _, err = openState(Options{Out: file}, conditions{})
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
		for _, step := range newLab(targetAt("http://127.0.0.1:1"), native{}, plan, t.Output()).steps() {
			assert.False(t, seen[step.name], step.name)
			assert.Positive(t, step.usual)
			seen[step.name] = true
		}
	}
}

// The report draws by these names.
func TestStoresHaveTheirNamesInResults(t *testing.T) {
	assert.Equal(t, result.Tempo, newLab(targetAt("http://127.0.0.1:1"), nil, plan{}, t.Output()).tempo.Name())
}

func TestAnEvaluationWantsTheStackForItself(t *testing.T) {
	run := t.TempDir()
	s, err := stack.New("", func(name string) string { return map[string]string{"THROUGHLINE_RUN_DIR": run}[name] })
	require.NoError(t, err)
	unlock, err := s.Lock()
	require.NoError(t, err)
	t.Cleanup(unlock)
	options := Options{Out: filepath.Join(t.TempDir(), "report"), Duration: "short", Target: "native", Progress: t.Output()}
	_, err = Run(t.Context(), s, options)
	require.ErrorContains(t, err, "is at work in "+run)
	require.NoDirExists(t, options.Out)
}
