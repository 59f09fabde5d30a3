//go:build binaries

package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What each part of an overlay reads, the program itself checks: with the files, the arguments and
// the environment of its pod. The programs are those of `TAIL_SAMPLING=on throughline build`.
func TestTheProgramsTakeTheirConfigurations(t *testing.T) {
	inEach(t, theProgramsTakeTheirConfigurations)
}

func theProgramsTakeTheirConfigurations(t *testing.T, m manifests) {
	bin, err := filepath.Abs(filepath.Join(root, ".build/bin"))
	require.NoError(t, err)
	checked := 0
	for name, p := range m.parts {
		image, _, _ := strings.Cut(p.container.Image, ":")
		check, known := map[string]struct {
			program, version string
			before, after    []string
		}{
			"otel/opentelemetry-collector-contrib": {"otelcol-sampling", "COLLECTOR_VERSION", []string{"validate"}, nil},
			"jaegertracing/jaeger":                 {"jaeger", "JAEGER_VERSION", []string{"validate"}, nil},
			"grafana/tempo":                        {"tempo", "TEMPO_VERSION", nil, []string{"-config.verify=true"}},
			"grafana/loki":                         {"loki", "LOKI_VERSION", nil, []string{"-verify-config"}},
			"prom/prometheus":                      {"promtool", "PROMETHEUS_VERSION", []string{"check", "config"}, nil},
		}[image]
		if !known {
			continue
		}
		checked++
		dir := t.TempDir()
		in := func(text string) string { return strings.ReplaceAll(text, "/etc/", dir+"/etc/") }
		files := m.files(t, name)
		args := p.container.Args
		if check.program == "promtool" {
			args = []string{"/etc/prometheus/prometheus.yml"}
			if p.container.Command != nil {
				// The shell puts the agent's configuration together.
				parts := regexp.MustCompile(`cat (\S+) (\S+) >/tmp/prometheus.yml\nexec prometheus --agent --config.file=/tmp/prometheus.yml `).FindStringSubmatch(p.container.Args[0])
				require.NotEmpty(t, parts, "%s: how its configuration is made", name)
				files["/etc/prometheus/prometheus.yml"] = files[parts[1]] + files[parts[2]]
				args = append(args, "--agent")
			}
		}
		for path, content := range files {
			require.NoError(t, os.MkdirAll(filepath.Dir(dir+path), 0o755))
			require.NoError(t, os.WriteFile(dir+path, []byte(in(content)), 0o644))
		}
		command := exec.Command(filepath.Join(bin, check.program+"-"+version(t, check.version)), check.before...)
		for _, arg := range append(args, check.after...) {
			command.Args = append(command.Args, in(arg))
		}
		command.Dir = dir // some make a directory for their data
		command.Env = []string{"PATH=" + os.Getenv("PATH")}
		for variable, value := range m.environment(t, name) {
			command.Env = append(command.Env, variable+"="+strings.ReplaceAll(value, "status.podIP", "127.0.0.1"))
		}
		output, err := command.CombinedOutput()
		assert.NoError(t, err, "%s: %s\n%s", name, command, output)
		assert.NotContains(t, string(output), "unset environment variable", "%s: %s", name, command)
	}
	assert.GreaterOrEqual(t, checked, 5)
}

func version(t *testing.T, variable string) string {
	t.Helper()
	versions, err := os.ReadFile(filepath.Join(root, "versions.env"))
	require.NoError(t, err)
	match := regexp.MustCompile(`(?m)^` + variable + `=(.+)$`).FindSubmatch(versions)
	require.NotEmpty(t, match, variable)
	return string(match[1])
}
