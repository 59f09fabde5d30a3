package telemetry

import (
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// withoutHealthChecks drops the spans of the gRPC health service: probes ask it
// every few seconds and go-zero's zRPC, unlike its REST (TraceIgnorePaths),
// cannot leave a method untraced.
type withoutHealthChecks struct {
	sdktrace.SpanProcessor
}

func (p withoutHealthChecks) OnEnd(s sdktrace.ReadOnlySpan) {
	if !strings.HasPrefix(s.Name(), "grpc.health.v1.Health/") {
		p.SpanProcessor.OnEnd(s)
	}
}
