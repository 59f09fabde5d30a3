package stack

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// What the first of two tiers does with logs and metrics stands in both files.
func TestFirstTierDiffersInItsTracesOnly(t *testing.T) {
	pipelines := func(file string) map[string]any {
		text, err := os.ReadFile("../../otel-collector/" + file)
		require.NoError(t, err)
		var config struct {
			Service struct{ Pipelines map[string]any }
		}
		require.NoError(t, yaml.Unmarshal(text, &config))
		return config.Service.Pipelines
	}
	one, two := pipelines("config.yaml"), pipelines("load-balancing.yaml")
	require.Len(t, two, 6)
	for name, pipeline := range two {
		if name == "traces" {
			continue
		}
		assert.Equal(t, one[name], pipeline, name)
	}
}
