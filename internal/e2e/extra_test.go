package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// extra is a service of the stack that runs beside it.
type extra struct {
	address string
	cmd     *exec.Cmd
	said    bytes.Buffer
}

// runExtra runs the service on a port of its own, unless env gives one.
func runExtra(t *testing.T, service string, env ...string) *extra {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, errors.Join(err, listener.Close()))
	e := &extra{address: "http://127.0.0.1:" + port}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // one that a failed test leaves ends with it
	e.cmd = exec.CommandContext(ctx, filepath.Join("..", "..", ".build", "bin", service), "-f", filepath.Join("..", "..", "services", service, "etc", service+".yaml"))
	e.cmd.Env = append(append(os.Environ(), "AUDIT_DB="+filepath.Join(t.TempDir(), "audit.db"), "OTEL_SDK_DISABLED=true",
		"LOGIN_API_PORT="+port, "AUDIT_MQ_PORT="+port), env...)
	e.cmd.Stdout, e.cmd.Stderr = &e.said, &e.said
	require.NoError(t, e.cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = e.cmd.Wait()
	})
	return e
}

// wait returns what the service has said, and its exit status.
func (e *extra) wait() (string, int) {
	_ = e.cmd.Wait()
	return e.said.String(), e.cmd.ProcessState.ExitCode()
}

// stop ends the service by SIGTERM.
func (e *extra) stop() (string, int) {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	return e.wait()
}

// requireNotReady waits until the service says that it is not ready, and why.
func (e *extra) requireNotReady(t *testing.T, words ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		answer, err := http.Get(e.address + "/readyz") //nolint:noctx // it answers at once
		require.NoError(c, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(c, errors.Join(err, answer.Body.Close()))
		assert.Equal(c, http.StatusServiceUnavailable, answer.StatusCode)
		for _, word := range words {
			assert.Contains(c, string(body), word)
		}
	}, 20*time.Second, 50*time.Millisecond)
}

func requireReady(t *testing.T, address string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		answer, err := http.Get(address + "/readyz") //nolint:noctx // it answers at once
		require.NoError(c, err)
		require.NoError(c, answer.Body.Close())
		assert.Equal(c, http.StatusOK, answer.StatusCode)
	}, 20*time.Second, 50*time.Millisecond)
}
