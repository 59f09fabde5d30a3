package compose

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/e2e/deployed"
	"throughline/internal/evaluate"
)

func TestAnUpgradeKeepsWhatIsStored(t *testing.T) {
	if len(before) == 0 {
		t.Skip("no earlier version was there to be upgraded")
	}
	deployed.RequireNothingLost(t, target, append(slices.Clone(before), waiting...))
}

func TestVerifyPasses(t *testing.T) {
	command := exec.CommandContext(t.Context(), filepath.Join(running.Root(), ".build", "bin", "throughline"), "verify", "--target", "compose")
	command.Dir, command.Stdout, command.Stderr = running.Root(), t.Output(), t.Output()
	require.NoError(t, command.Run())
}

func TestTheConsoleHasItsPage(t *testing.T) {
	if slices.Contains(leftOut, "console") {
		t.Skip("the console is left out")
	}
	for path, want := range map[string]string{"/": `<div id="root">`, "/api/config": `"jaeger":"` + target.JaegerURL + `"`, "/proxy/tempo/api/search?limit=1": `"traces"`} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, running.Endpoints().Console+path, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusOK, answer.StatusCode, path)
		assert.Contains(t, string(body), want, path)
	}
}

// A part that was recreated has another address as a rule.
func TestPartsThatAreRestartedAndRecreatedLoseNothing(t *testing.T) {
	logins := deployed.UnderLoad(t, target.LoginURL, func() {
		for _, part := range []string{"login-api", "user-rpc", "audit-mq", "rabbitmq", "otel-collector", "jaeger", "tempo", "loki", "prometheus"} {
			_, err := compose(t.Context(), "restart", part)
			require.NoError(t, err)
			requireLogins(t)
		}
		require.NoError(t, upIn(t.Context(), running.Root(), "--force-recreate"))
		requireLogins(t)
	})
	deployed.RequireNothingLost(t, target, logins)
}

// The commands of docs/backup.md.
func TestABackupIsRestored(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(running.Root(), "docs", "backup.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Under Docker Compose\n")
	require.True(t, found)
	blocks := regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(section, 2)
	require.Len(t, blocks, 2)
	services, err := served(t.Context(), running.Root())
	require.NoError(t, err)
	with := " " + strings.Join(services, " ")
	commands := strings.NewReplacer("docker compose create", "docker compose create"+with, "--detach --wait", "--detach --wait"+with,
		"/tmp/throughline-backup", t.TempDir())
	run := func(block []string) {
		t.Helper()
		_, err := deployed.Output(t.Context(), running.Root(), "bash", "-euo", "pipefail", "-c", commands.Replace(block[1]))
		require.NoError(t, err)
	}

	kept, err := deployed.LogIn(t.Context(), target.LoginURL, 5)
	require.NoError(t, err)
	deployed.RequireNothingLost(t, target, kept)
	_, err = compose(t.Context(), "stop", "audit-mq")
	require.NoError(t, err)
	waiting, err := deployed.LogIn(t.Context(), target.LoginURL, 5)
	require.NoError(t, err)
	kept = append(kept, waiting...)
	run(blocks[0])
	deployed.RequireNothingLost(t, target, kept)
	later, err := deployed.LogIn(t.Context(), target.LoginURL, 1)
	require.NoError(t, err)
	deployed.RequireNothingLost(t, target, later)

	run(blocks[1])
	deployed.RequireNothingLost(t, target, kept)
	for _, store := range []backend.TraceStore{backend.NewJaeger(target.JaegerURL), backend.NewTempo(target.TempoURL)} {
		_, err := store.Trace(t.Context(), later[0].TraceID)
		require.ErrorIs(t, err, backend.ErrNotFound, "%s: what came after the backup", store.Name())
	}
}

// Without --no-deps Compose would stop the services after the collector, so that they
// could not send what they hold.
func TestSamplingThatComesAndGoesLosesNothing(t *testing.T) {
	t.Setenv("TAIL_SAMPLING_WAIT", "2s")
	t.Setenv("TAIL_SAMPLING_PERCENT", "100")
	prometheus := backend.NewPrometheus(target.PrometheusURL)
	change := func(parts ...string) {
		_, err := compose(t.Context(), append([]string{"up", "--detach", "--wait", "--no-deps"}, parts...)...)
		require.NoError(t, err)
	}
	logins := deployed.UnderLoad(t, target.LoginURL, func() {
		t.Setenv("COMPOSE_FILE", twoTiers)
		change("sampler-1", "sampler-2", "otel-collector")
		require.Eventually(t, func() bool {
			series, err := prometheus.Query(t.Context(), `sum by (instance) (otelcol_receiver_accepted_spans_total{service_name="sampler"}) > 100`, time.Now())
			require.NoError(t, err)
			return len(series) == 2
		}, 2*time.Minute, time.Second, "both samplers take spans")
		require.NoError(t, os.Setenv("COMPOSE_FILE", oneTier))
		change("otel-collector")
		requireLogins(t)
		_, err := deployed.Output(t.Context(), running.Root(), "docker", "compose", "-f", oneTier, "-f", samplingOverlay, "rm", "--stop", "--force", "sampler-1", "sampler-2")
		require.NoError(t, err)
		requireLogins(t)
	})
	deployed.RequireNothingLost(t, target, logins)
	services, err := compose(t.Context(), "ps", "--all", "--services", "--orphans")
	require.NoError(t, err)
	require.NotContains(t, services, "sampler")
}

// The short evaluation kills each part, stops all stores, and more. How fast this
// machine is beside its other work is told and not judged.
func TestEvaluationFindsNothingLost(t *testing.T) {
	results, err := evaluate.Run(t.Context(), running, evaluate.Options{
		Out: filepath.Join(t.TempDir(), "report"), Duration: "short", Target: "compose", Only: evaluate.OnlyStack, Progress: t.Output(),
	})
	require.NoError(t, err)
	for _, failure := range results.Failures() {
		speed := strings.HasPrefix(failure, "objective missed: freshness")
		assert.True(t, speed, failure)
	}
	assert.Equal(t, "source", results.Machine.Versions["login-api"])
}

// requireLogins waits until logins work again.
func requireLogins(t *testing.T) {
	t.Helper()
	_, err := deployed.LogIn(t.Context(), target.LoginURL, 20)
	require.NoError(t, err)
}
