// Package upgrade tests that each part reads what the version before it has stored.
// `make e2e-upgrade` runs it; `make test` does not, as it builds those versions.
// Jaeger and Tempo are left out: with the modules of the present version, Jaeger 2.12
// does not start and the commit of Tempo that was tried, of October 2024, does not compile.
package upgrade

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
	"throughline/internal/verify"
)

// older is a version of a part that the Go module proxy serves. It is built from the
// part's own go.mod with other versions of the modules that match.
type older struct {
	part     string
	variable string // that gives the stack another binary
	dir      string
	pkg      string
	tags     string
	modules  string      // regular expression
	versions [][2]string // the present one, and the one before
}

var before = []older{
	{"otel-collector", "COLLECTOR_BIN", "otel-collector/otelcol", ".", "", `(?:github\.com/open-telemetry/opentelemetry-collector-contrib|go\.opentelemetry\.io/collector)\S*`,
		[][2]string{{"v0.145.0", "v0.144.0"}, {"v1.51.0", "v1.50.0"}}},
	{"loki", "LOKI_BIN", "loki", "github.com/grafana/loki/v3/cmd/loki", "", `github\.com/grafana/loki/v3`,
		[][2]string{{"v3.7.8", "v3.7.7"}}},
	{"prometheus", "PROMETHEUS_BIN", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", "netgo,remove_all_sd", `github\.com/prometheus/prometheus`,
		[][2]string{{"v0.313.2", "v0.312.0"}}}, // 3.12.0
}

// build makes the binary, unless an earlier run has, and returns its path.
func (o older) build(t *testing.T, s *stack.Stack) string {
	t.Helper()
	from := filepath.Join(s.Root(), o.dir)
	module, err := os.ReadFile(filepath.Join(from, "go.mod"))
	require.NoError(t, err)
	changed := string(module)
	dir := filepath.Join(s.BuildDir(), "older", o.part)
	for _, pair := range o.versions {
		present, version := pair[0], pair[1]
		line := regexp.MustCompile(`(` + o.modules + `) ` + regexp.QuoteMeta(present) + `\b`)
		require.Regexp(t, line, changed, "%s/go.mod has another version: name the one before it in this test", o.dir)
		changed = line.ReplaceAllString(changed, "${1} "+version)
		dir += "-" + version
	}
	binary := filepath.Join(dir, o.part)
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(changed), 0o644))
	command := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-tags="+o.tags, "-trimpath", "-ldflags=-s -w", "-o", o.part, o.pkg)
	command.Dir, command.Env = dir, append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	t.Logf("building %s, as it was: %s", o.part, filepath.Base(dir))
	said, err := command.CombinedOutput()
	require.NoError(t, err, "%s", said)
	return binary
}

func TestEachPartReadsWhatTheVersionBeforeStored(t *testing.T) {
	environment := &stacktest.Environment{Set: map[string]string{}}
	s, err := stacktest.New(environment)
	require.NoError(t, err)
	console := stack.NewConsole(t.Output())
	t.Cleanup(func() {
		assert.NoError(t, s.Down(context.WithoutCancel(t.Context()), console, stack.DownOptions{}))
		if !t.Failed() {
			assert.NoError(t, os.RemoveAll(s.RunDir()))
		}
	})
	for _, o := range before {
		environment.Set[o.variable] = o.build(t, s)
	}
	earlier, err := stack.New("", environment.Getenv)
	require.NoError(t, err)
	require.NoError(t, earlier.Up(t.Context(), console, stack.UpOptions{}))
	stored := logIn(t, s, 5)
	requireStored(t, s, stored)
	counted := requireCounted(t, s, len(stored))
	for _, store := range []string{"jaeger", "tempo", "loki", "prometheus"} {
		require.NoError(t, earlier.Stop(t.Context(), store))
	}
	waiting := logIn(t, s, 20)
	require.NoError(t, earlier.Down(t.Context(), console, stack.DownOptions{}))

	for _, o := range before {
		environment.Set[o.variable] = ""
	}
	require.NoError(t, s.Up(t.Context(), console, stack.UpOptions{}))
	requireStored(t, s, slices.Concat(stored, waiting, logIn(t, s, 1)))
	assert.GreaterOrEqual(t, attempts(t, s, counted), len(stored), "what Prometheus held before")
	requireCounted(t, s, len(stored)+len(waiting))
}

func logIn(t *testing.T, s *stack.Stack, n int) []demo.Login {
	t.Helper()
	logins := make([]demo.Login, n)
	for i := range logins {
		require.EventuallyWithT(t, func(c *assert.CollectT) { // audit-mq has to declare its queue first
			var err error
			logins[i], err = demo.LogIn(t.Context(), s.Endpoints().LoginAPI, demo.Users[0])
			require.NoError(c, err)
		}, time.Minute, 200*time.Millisecond)
	}
	return logins
}

// requireStored waits until every login has its row, its whole trace in both stores and
// its lines in Loki.
func requireStored(t *testing.T, s *stack.Stack, logins []demo.Login) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	at := s.Endpoints()
	for _, login := range logins {
		_, err := demo.WaitForAudit(ctx, at.AuditMQ, demo.AuditFilter{TraceID: login.TraceID}, func(a demo.Audit) bool { return a.Total == 1 })
		require.NoError(t, err, "audit-mq")
		for _, store := range []backend.TraceStore{backend.NewJaeger(at.Jaeger), backend.NewTempo(at.Tempo)} {
			_, err := backend.WaitForSpans(ctx, store, login.TraceID, verify.LoginSpans)
			require.NoError(t, err, store.Name())
		}
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			lines, err := backend.NewLoki(at.Loki).Lines(ctx, `{service_name="login-api"} | trace_id="`+login.TraceID+`"`, backend.Last(time.Hour), 10)
			require.NoError(c, err)
			assert.NotEmpty(c, lines)
		}, time.Minute, 200*time.Millisecond, "Loki")
	}
}

// attempts is how many logins Prometheus has counted until then, of every run of login-api.
func attempts(t *testing.T, s *stack.Stack, until time.Time) int {
	t.Helper()
	series, err := backend.NewPrometheus(s.Endpoints().Prometheus).Query(t.Context(), "sum(max_over_time(login_attempts_total[30m]))", until)
	require.NoError(t, err)
	if len(series) == 0 {
		return 0
	}
	return int(series[0].Points[0].Value)
}

// requireCounted waits until Prometheus has counted so many logins, and tells when it had.
func requireCounted(t *testing.T, s *stack.Stack, logins int) (at time.Time) {
	t.Helper()
	require.Eventually(t, func() bool { at = time.Now(); return attempts(t, s, at) >= logins }, 2*time.Minute, 200*time.Millisecond)
	return at
}
