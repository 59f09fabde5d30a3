package telemetry

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What this module asks for by itself. A dependency is not added by the way; what
// these bring along, go-zero above all, is their business.
var allowed = []string{
	"github.com/google/uuid",
	"github.com/prometheus/client_golang",
	"github.com/prometheus/client_model",
	"github.com/zeromicro/go-zero",
	"go.opentelemetry.io/contrib/bridges/prometheus",
	"go.opentelemetry.io/contrib/instrumentation/runtime",
	"go.opentelemetry.io/contrib/propagators/autoprop",
	"go.opentelemetry.io/otel",
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc",
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc",
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc",
	"go.opentelemetry.io/otel/log",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/sdk",
	"go.opentelemetry.io/otel/sdk/log",
	"go.opentelemetry.io/otel/sdk/metric",
	"go.opentelemetry.io/otel/trace",
	"go.opentelemetry.io/proto/otlp",
	"google.golang.org/grpc",
	// in tests
	"github.com/stretchr/testify",
	"go.opentelemetry.io/collector/pdata",
}

func TestDependenciesAreThoseAllowed(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	require.NoError(t, err)
	var module struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	require.NoError(t, json.Unmarshal(output, &module))
	var direct []string
	for _, dependency := range module.Require {
		if !dependency.Indirect {
			direct = append(direct, dependency.Path)
		}
	}
	assert.ElementsMatch(t, allowed, direct)
}
