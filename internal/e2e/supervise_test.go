package e2e

import (
	"context"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/stack"
)

// supervise runs the supervisor beside the parts until the test ends, as make up does.
func supervise(t *testing.T, diskReserve string) {
	t.Helper()
	supervising := sharedStackWith(t, map[string]string{"SUPERVISE": "on", "THROUGHLINE_BIN": buildCommand(t), "DISK_RESERVE": diskReserve})
	t.Cleanup(func() {
		assert.NoError(t, supervising.Stop(context.WithoutCancel(t.Context()), "supervisor"))
	})
	require.NoError(t, supervising.Start(t.Context(), "supervisor"))
}

func statusOf(t *testing.T, part string) stack.PartStatus {
	t.Helper()
	for _, status := range running.Status(t.Context()) {
		if status.Name == part {
			return status
		}
	}
	t.Fatalf("there is no part %q", part)
	return stack.PartStatus{}
}

// requireAnotherRuns waits until a part is healthy in another process.
func requireAnotherRuns(t *testing.T, before stack.PartStatus) {
	t.Helper()
	require.Eventually(t, func() bool {
		now := statusOf(t, before.Name)
		return now.State == stack.Running && now.PID != before.PID
	}, 2*time.Minute, 100*time.Millisecond, "%s runs again", before.Name)
}

// Tempo and Loki stop when a page asks them to, which a browser does for any page;
// other parts are killed meanwhile.
func TestPartsThatStopAreStartedAgain(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	before := logIn(t, 5)
	requireWhole(t, before, time.Minute, tempo())
	supervise(t, "")
	var stopped []stack.PartStatus
	for part, address := range map[string]string{
		"tempo": target.TempoURL + "/shutdown",
		"loki":  target.LokiURL + "/ingester/shutdown",
	} {
		stopped = append(stopped, statusOf(t, part))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		if response, err := http.DefaultClient.Do(request); err == nil { // it may end before it has answered
			require.NoError(t, response.Body.Close())
		}
	}
	for _, part := range []string{"otel-collector", "user-rpc", "rabbitmq"} {
		stopped = append(stopped, statusOf(t, part))
		require.NoError(t, syscall.Kill(stopped[len(stopped)-1].PID, syscall.SIGKILL))
	}
	for _, part := range stopped {
		requireAnotherRuns(t, part)
	}
	requireLoginsWorkWithin(t, time.Minute)
	requireWhole(t, slices.Concat(before, logIn(t, 5)), time.Minute, jaeger(), tempo())
	loki := backend.NewLoki(target.LokiURL)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		lines, err := loki.Lines(t.Context(), `{service_name="login-api"} | trace_id="`+before[0].TraceID+`"`, backend.Last(time.Hour), 10)
		require.NoError(c, err)
		assert.NotEmpty(c, lines)
	}, 30*time.Second, 200*time.Millisecond)
}

// What is left of the disk is for the broker, and so for logins.
func TestTelemetryStopsBeforeTheDiskIsFull(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	supervise(t, "1PB")
	defer func() { require.NoError(t, running.Start(context.WithoutCancel(t.Context()), "otel-collector")) }()
	require.Eventually(t, func() bool { return statusOf(t, "otel-collector").State == stack.Stopped }, time.Minute, 100*time.Millisecond)
	requireLoginsWorkWithin(t, 10*time.Second)
}
