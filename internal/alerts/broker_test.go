package alerts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"throughline/internal/dashboards"
)

// What RabbitMQ tells differs between its versions: the native broker is Debian's,
// 3.10 or 4.0, and the image's is newer. Each file of testdata holds the series that
// Prometheus had of one, as of a stack in use:
//
//	curl -G 127.0.0.1:9090/api/v1/query --data-urlencode 'query={__name__=~"rabbitmq_.+"}'
func TestEachVersionOfTheBrokerFillsItsPanels(t *testing.T) {
	files, err := filepath.Glob("testdata/rabbitmq-*.prom")
	require.NoError(t, err)
	require.Len(t, files, 2)
	all, err := dashboards.Load(filepath.Join(root, "grafana", "dashboards"))
	require.NoError(t, err)

	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	type expectation struct {
		Expr    string   `yaml:"expr"`
		Time    string   `yaml:"eval_time"`
		Samples []sample `yaml:"exp_samples"`
	}
	var expected []expectation
	for _, d := range all {
		queries, err := d.Queries(nil)
		require.NoError(t, err)
		for _, q := range queries {
			if q.Kind == dashboards.PromQL && !q.EmptyIsHealthy && strings.Contains(q.Expr, "rabbitmq_") {
				// NaN, as of a share of a limit that there is not, equals nothing.
				numbers := "count((" + q.Expr + ") == (" + q.Expr + ")) > bool 0"
				expected = append(expected, expectation{numbers, "2m", []sample{{"{}", 1}}})
			}
		}
	}
	require.NotEmpty(t, expected)

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var series []map[string]string
			for line := range strings.Lines(string(text)) {
				at := strings.LastIndex(line, " ")
				series = append(series, map[string]string{"series": line[:at], "values": strings.TrimSpace(line[at:]) + "x12"})
			}
			test, err := yaml.Marshal(map[string]any{"tests": []any{map[string]any{
				"interval": "10s", "input_series": series, "promql_expr_test": expected,
			}}})
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "test.yml")
			require.NoError(t, os.WriteFile(path, test, 0o600))
			promtool(t, "test", "rules", path)
		})
	}
}
