package telemetry

import (
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// keptSpans drops the spans that nobody wants: those that the user filters out, and
// those of the gRPC health service: probes ask it every few seconds and go-zero's
// zRPC, unlike its REST (TraceIgnorePaths), cannot leave a method untraced.
type keptSpans struct {
	sdktrace.SpanProcessor
	keep func(sdktrace.ReadOnlySpan) bool // nil: all
}

func (p keptSpans) OnEnd(s sdktrace.ReadOnlySpan) {
	if strings.HasPrefix(s.Name(), "grpc.health.v1.Health/") || p.keep != nil && !p.keep(s) {
		return
	}
	p.SpanProcessor.OnEnd(s)
}
