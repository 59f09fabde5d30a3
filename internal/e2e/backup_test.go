package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/demo"
)

// TestBackupIsRestored takes the commands of docs/backup.md, with a stack of its own.
func TestBackupIsRestored(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(running.Root(), "docs", "backup.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 4, "two for the native stack, and two for Docker Compose")
	const kept = "/tmp/throughline-backup.tgz"
	file := filepath.Join(t.TempDir(), "backup.tgz")

	s, environment := ownStack(t, map[string]string{"SUPERVISE": "on"})
	run := func(commands string) {
		t.Helper()
		shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(commands, kept, file))
		shell.Dir, shell.Env = s.Root(), environment.Environ()
		for _, variable := range os.Environ() { // other flags of Go would make other binaries, and the running services are of these
			if strings.HasPrefix(variable, "GO") || strings.HasPrefix(variable, "PATH=") || strings.HasPrefix(variable, "HOME=") {
				shell.Env = append(shell.Env, variable)
			}
		}
		said, err := shell.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	at := s.Endpoints()
	stores := []backend.TraceStore{backend.NewJaeger(at.Jaeger), backend.NewTempo(at.Tempo)}
	login := func() demo.Login {
		t.Helper()
		made, err := demo.LogIn(t.Context(), at.LoginAPI, demo.Users[0])
		require.NoError(t, err)
		return made
	}
	rows := func(of demo.Login) int {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		audits, err := demo.WaitForAudit(ctx, at.AuditMQ, demo.AuditFilter{TraceID: of.TraceID}, func(a demo.Audit) bool { return a.Total > 0 })
		require.NoError(t, err)
		return audits.Total
	}
	attempts := func(when time.Time) float64 {
		series, err := backend.NewPrometheus(at.Prometheus).Query(t.Context(), "sum(login_attempts_total)", when)
		require.NoError(t, err)
		if len(series) == 0 {
			return 0
		}
		return series[0].Points[0].Value
	}

	run("make up")
	handled := login()
	requireWhole(t, []demo.Login{handled}, time.Minute, stores...)
	require.Equal(t, 1, rows(handled))
	var counted time.Time
	require.Eventually(t, func() bool { counted = time.Now(); return attempts(counted) > 0 }, time.Minute, 200*time.Millisecond)
	run(".build/bin/throughline stop audit-mq")
	waiting := login()
	run(blocks[0][1])
	require.Equal(t, 1, rows(waiting))
	later := login()
	requireWhole(t, []demo.Login{waiting, later}, time.Minute, stores...)

	run(blocks[1][1])
	requireWhole(t, []demo.Login{handled, waiting}, time.Minute, stores...)
	assert.Equal(t, 1, rows(handled))
	assert.Equal(t, 1, rows(waiting), "its message is delivered again from the backup")
	assert.Positive(t, attempts(counted))
	lines, err := backend.NewLoki(at.Loki).Lines(t.Context(), `{service_name="login-api"} | trace_id="`+handled.TraceID+`"`, backend.Last(time.Hour), 10)
	require.NoError(t, err)
	assert.NotEmpty(t, lines)
	for _, store := range stores {
		_, err := store.Trace(t.Context(), later.TraceID)
		assert.ErrorIs(t, err, backend.ErrNotFound, "%s: what came after the backup", store.Name())
	}
}
