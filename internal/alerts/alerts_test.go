// Package alerts checks the rules of prometheus/rules with promtool, and that a
// person whom an alert wakes finds out what to do.
package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"throughline/internal/stack"
)

const (
	root  = "../.."
	rules = "prometheus/rules/throughline.yml"
	tests = "prometheus/rules/tests/throughline.yml"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	s, err := stack.New(root, os.Getenv)
	require.NoError(t, err)
	require.NoError(t, s.BuildPrograms(t.Context(), stack.NewConsole(os.Stderr), "promtool"))
	command := exec.CommandContext(t.Context(), s.ProgramBinaries()["promtool"], args...)
	command.Dir = root
	output, err := command.CombinedOutput()
	assert.NoError(t, err, "promtool %s\n%s", strings.Join(args, " "), output)
}

func TestPromtoolAcceptsTheConfiguration(t *testing.T) {
	promtool(t, "check", "config", "--lint=all", "--lint-fatal", "prometheus/prometheus.yml")
}

func TestRules(t *testing.T) {
	promtool(t, "test", "rules", tests)
}

type rule struct {
	Alert       string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	read(t, rules, &file)
	var alerts []rule
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			}
		}
	}
	require.NotEmpty(t, alerts)
	return alerts
}

func read(t *testing.T, path string, v any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, v))
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^## (.+)$`)
	var documented []string
	page, err := os.ReadFile(filepath.Join(root, "docs/runbooks/alerts.md"))
	require.NoError(t, err)
	for _, match := range heading.FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, match[1])
	}
	var names []string
	for _, alert := range alerts(t) {
		names = append(names, alert.Alert)
		assert.Contains(t, []string{"critical", "warning"}, alert.Labels["severity"], alert.Alert)
		assert.NotEmpty(t, alert.Annotations["summary"], alert.Alert)
		assert.NotEmpty(t, alert.Annotations["description"], alert.Alert)
		// The anchor that GitHub makes of the heading.
		assert.Equal(t, "docs/runbooks/alerts.md#"+strings.ToLower(alert.Alert), alert.Annotations["runbook_url"])
	}
	assert.Equal(t, names, documented, "the runbook has a section for each alert, in the order of the rules")
}

func TestEveryAlertIsTestedToFireAndToKeepStill(t *testing.T) {
	var file struct {
		Tests []struct {
			Alerts []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	read(t, tests, &file)
	fires, keepsStill := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, alert := range test.Alerts {
			if len(alert.Expected) > 0 {
				fires[alert.Alertname] = true
			} else {
				keepsStill[alert.Alertname] = true
			}
		}
	}
	for _, alert := range alerts(t) {
		assert.True(t, fires[alert.Alert], "no test makes %s fire", alert.Alert)
		assert.True(t, keepsStill[alert.Alert], "no test keeps %s still", alert.Alert)
	}
}
