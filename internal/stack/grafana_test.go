package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGrafanaIsAPartWhereOneIsInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	home := t.TempDir()
	getenv := func(name string) string { return map[string]string{"GRAFANA_HOME": home, "GRAFANA_PORT": "3999"}[name] }

	s, err := New("../..", func(string) string { return "" })
	require.NoError(t, err)
	_, err = s.part("grafana")
	assert.Error(t, err, "none is installed")
	assert.Empty(t, s.Endpoints().Grafana)

	_, err = New("../..", getenv)
	assert.ErrorContains(t, err, "GRAFANA_HOME="+home)

	binary := filepath.Join(home, "bin", "grafana")
	require.NoError(t, os.MkdirAll(filepath.Dir(binary), 0o755))
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755))
	s, err = New("../..", getenv)
	require.NoError(t, err)
	p, err := s.part("grafana")
	require.NoError(t, err)
	assert.Equal(t, []string{binary, "server", "--homepath", home}, p.command())
	assert.Contains(t, p.env, "GF_SERVER_HTTP_PORT=3999")
	assert.Contains(t, p.env, "LOKI_URL=http://127.0.0.1:3100")
	assert.Equal(t, "http://127.0.0.1:3999", s.Endpoints().Grafana)
}
