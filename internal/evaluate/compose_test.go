package evaluate

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeDocker puts a docker into the PATH that writes down what it is asked and
// names this very process when it is asked for one.
func fakeDocker(t *testing.T) (asked func() string) {
	t.Helper()
	dir := t.TempDir()
	script := `#!/bin/sh
echo "$@" >> ` + dir + `/asked
case "$1 $2" in
"inspect "*) echo ` + strconv.Itoa(os.Getpid()) + `;;
"compose ps") printf '%s\n' 'tempo grafana/tempo:2.10.8' 'prometheus prom/prometheus:v3.13.2' 'login-api throughline-login-api';;
esac
case "$*" in *nonesuch*) echo "no such service: nonesuch" >&2; exit 1;; esac
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		text, err := os.ReadFile(filepath.Join(dir, "asked"))
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
}

func TestComposeControlsParts(t *testing.T) {
	asked := fakeDocker(t)
	c := compose{t.TempDir()}
	require.NoError(t, c.Kill(t.Context(), "tempo"))
	require.NoError(t, c.Start(t.Context(), "tempo"))
	require.NoError(t, c.Stop(t.Context(), "tempo"))
	assert.Equal(t, "compose kill --signal SIGKILL tempo\ncompose up --detach --wait --no-deps tempo\ncompose stop tempo", asked())

	require.ErrorContains(t, c.Start(t.Context(), "tempo", "A=1"), "evaluate the native stack")
	require.ErrorContains(t, c.Stop(t.Context(), "nonesuch"), "no such service: nonesuch")

	versions, err := c.versions(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"tempo": "2.10.8", "prometheus": "3.13.2", "login-api": "source"}, versions)

	usage, err := c.Usage("tempo")
	require.NoError(t, err)
	assert.Positive(t, usage.Memory)
}
