package portforward

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kubectl puts a program in the place of kubectl, which says what it was called with.
func kubectl(t *testing.T, script string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kubectl"), []byte("#!/bin/bash\necho \"$$ $*\" >>"+calls+"\n"+script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return calls
}

func TestPortsAreForwardedUntilTheEnd(t *testing.T) {
	calls := kubectl(t, `
shift 5
for port in "${@:2}"; do
	echo "Forwarding from 127.0.0.1:4${port#:} -> ${port#:}"
done
for ((i = 0; i < 20000; i++)); do echo "Handling connection for $i"; done
exec sleep 60`)
	local, stop, err := Start(t.Context(), "ours", map[string]Port{"A": {"one", 4317}, "B": {"one", 4318}, "C": {"two", 8080}})
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"A": 44317, "B": 44318, "C": 48080}, local)
	text, err := os.ReadFile(calls)
	require.NoError(t, err)
	assert.Contains(t, string(text), "--namespace ours port-forward --address 127.0.0.1 service/one :4317 :4318\n")
	stop()
	for _, call := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		pid, _, _ := strings.Cut(call, " ")
		_, err := os.Stat("/proc/" + pid)
		assert.ErrorIs(t, err, os.ErrNotExist, "%s is at an end", call)
	}
}

func TestWhatKubectlSaysIsPassedOn(t *testing.T) {
	for want, script := range map[string]string{
		`services "one" not found`: `echo 'Error from server (NotFound): services "one" not found' >&2; exit 1`,
		"ended by itself":          `exit 0`,
	} {
		kubectl(t, script)
		_, _, err := Start(t.Context(), "ours", map[string]Port{"A": {"one", 4317}})
		require.ErrorContains(t, err, want)
	}
	t.Setenv("PATH", t.TempDir())
	_, _, err := Start(t.Context(), "ours", map[string]Port{"A": {"one", 4317}})
	require.ErrorContains(t, err, "install kubectl")
}
