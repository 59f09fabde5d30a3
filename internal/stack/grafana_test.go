package stack

import (
	"os"
	"path/filepath"
	"strings"
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
	assert.Contains(t, p.env, "LOKI_URL=http://127.0.0.1:10080")
	for _, variable := range p.env {
		if path, found := strings.CutPrefix(variable, "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH="); found {
			assert.FileExists(t, path)
			assert.True(t, filepath.IsAbs(path), path)
		}
	}
	for _, kind := range []string{"datasources", "dashboards", "plugins", "alerting"} { // Grafana logs an error for each that is missing
		assert.DirExists(t, filepath.Join(s.root, "grafana", "provisioning", kind))
	}
	assert.Equal(t, "http://127.0.0.1:3999", s.Endpoints().Grafana)
}

// A page of any origin reaches a Grafana on this machine by a name that leads here.
func TestGrafanaIsLookedAtUnderItsOwnNameAlone(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "grafana"), []byte("#!/bin/sh\n"), 0o755))
	for given, domain := range map[string]string{"": "127.0.0.1", "grafana.example": "grafana.example"} {
		s, err := New("../..", func(name string) string {
			return map[string]string{"GRAFANA_HOME": home, "GRAFANA_PORT": "3999", "GRAFANA_DOMAIN": given}[name]
		})
		require.NoError(t, err)
		p, err := s.part("grafana")
		require.NoError(t, err)
		assert.Subset(t, p.env, []string{
			"GF_AUTH_ANONYMOUS_ORG_ROLE=Viewer", "GF_AUTH_DISABLE_LOGIN_FORM=true", "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true",
			"GF_SERVER_ENFORCE_DOMAIN=true", "GF_SERVER_DOMAIN=" + domain, "GF_SERVER_ROOT_URL=http://" + domain + ":3999/",
		})
	}
}
