package telemetry

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// newResource describes this process. What the environment says
// (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) wins over what the code says.
//
// The command line and the owner of the process are left out on purpose: the
// former may hold a secret, the latter names a person.
func newResource(ctx context.Context, serviceName string, attrs []attribute.KeyValue) (*resource.Resource, error) {
	instance, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("telemetry: make a service.instance.id: %w", err)
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(
			semconv.ServiceName(serviceName),
			semconv.ServiceVersion(serviceVersion()),
			semconv.ServiceInstanceID(instance.String()),
		),
		resource.WithHost(),
		resource.WithProcessPID(),
		resource.WithProcessExecutableName(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attrs...),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("telemetry: describe this process: %w; check OTEL_RESOURCE_ATTRIBUTES", err)
	}
	return res, nil
}

// serviceVersion is the version of the main module, or the revision it was
// built from, or "unknown".
func serviceVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}
