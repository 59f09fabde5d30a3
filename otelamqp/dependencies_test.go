package otelamqp_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a program gets that imports this package, and what more its tests need. A
// dependency is not added by the way.
var (
	allowed = []string{
		"github.com/rabbitmq/amqp091-go",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/trace",
		// of OpenTelemetry itself
		"github.com/cespare/xxhash/v2",
		"github.com/go-logr/logr",
		"github.com/go-logr/stdr",
		"go.opentelemetry.io/auto/sdk",
		"go.opentelemetry.io/otel/log",
	}
	allowedInTests = []string{
		"github.com/stretchr/testify",
		"go.opentelemetry.io/otel/sdk",
		"go.opentelemetry.io/otel/sdk/metric",
		"go.uber.org/goleak",
		// of these
		"github.com/google/uuid",
		"go.yaml.in/yaml/v3",
		"golang.org/x/sys",
	}
)

func TestDependenciesAreThoseAllowed(t *testing.T) {
	own := modules(t, "-f", "{{.Module.Path}}", ".")
	assert.Subset(t, append(own, allowed...), modules(t, "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "."))
	assert.Subset(t, append(append(own, allowed...), allowedInTests...), modules(t, "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./..."))
}

// modules are the words that go list prints, each once.
func modules(t *testing.T, args ...string) (paths []string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	list.Env = append(os.Environ(), "GOWORK=off") // the module as others see it
	list.Stderr = os.Stderr
	output, err := list.Output()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, path := range strings.Fields(string(output)) {
		if !seen[path] {
			seen[path] = true
			paths = append(paths, path)
		}
	}
	return paths
}
