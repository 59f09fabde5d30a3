package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/fault"
)

// bringAbout runs a fault to its end.
func bringAbout(t *testing.T, name string, duration time.Duration) {
	t.Helper()
	f, err := fault.Find(running, name)
	require.NoError(t, err)
	require.NoError(t, f.Run(t.Context(), running, fault.Options{Rate: 5, Duration: duration, Progress: io.Discard}))
}

// buildCommand builds the program throughline.
func buildCommand(t *testing.T) (path string) {
	t.Helper()
	return filepath.Join(buildPrograms(t, running.Root(), "./cmd/throughline"), "throughline")
}

// requireMarks waits for the marks of a fault that began since then.
func requireMarks(t *testing.T, name string, since time.Time, phases ...string) {
	t.Helper()
	loki := backend.NewLoki(target.LokiURL)
	var found []string
	assert.Eventually(t, func() bool {
		lines, err := loki.Lines(t.Context(), `{service_name="`+fault.Service+`"} | fault_name="`+name+`"`, backend.Window{Start: since, End: time.Now()}, 10)
		found = nil
		for _, line := range lines {
			found = append([]string{line.Labels["fault_phase"]}, found...) // the newest comes first
		}
		return err == nil && len(found) == len(phases)
	}, 30*time.Second, 100*time.Millisecond)
	require.Equal(t, phases, found)
}

func TestFaultThatIsInterruptedPutsEverythingBack(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	began := time.Now()
	var said bytes.Buffer
	command := exec.CommandContext(t.Context(), buildCommand(t), "fault", "stop-tempo", "--duration", "10m")
	command.Dir, command.Env = running.Root(), append(environment.Environ(), "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"))
	command.Stdout, command.Stderr = &said, &said
	require.NoError(t, command.Start())
	tempoRuns := func() bool { _, err := running.Usage("tempo"); return err == nil }
	assert.Eventually(t, func() bool { return !tempoRuns() }, 30*time.Second, 50*time.Millisecond)
	_, err := running.Lock()
	assert.ErrorContains(t, err, "fault stop-tempo --duration 10m (pid", "up does not mend it meanwhile")

	require.NoError(t, command.Process.Signal(os.Interrupt))
	require.NoError(t, command.Wait(), "%s", said.String())
	require.True(t, tempoRuns(), "%s", said.String())
	requireMarks(t, "stop-tempo", began, "begins", "ends")
	requireWhole(t, logIn(t, 1), time.Minute, jaeger(), tempo())
}

func TestFaultsFromTheConsole(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	b := newBrowser(t)
	b.play(t, "no-faults")

	allowing := sharedStackWith(t, map[string]string{"CONSOLE_FAULTS": "allow", "THROUGHLINE_BIN": buildCommand(t)})
	require.NoError(t, allowing.Start(t.Context(), "console"))
	defer restart(t, "console")
	before, _ := auditMQ(t)
	began := time.Now()
	b.play(t, "faults")
	requireMarks(t, "slow-consumer", began, "begins", "ends")
	after, faults := auditMQ(t)
	assert.Equal(t, before, after, "up would restart it")
	assert.Empty(t, faults)
}
