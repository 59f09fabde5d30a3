package verify

import (
	"strings"

	"throughline/internal/stack"
)

// TargetOf addresses the stack that runs natively.
func TargetOf(e stack.Endpoints) Target {
	return Target{
		LoginURL:    e.LoginAPI,
		AuditURL:    e.AuditMQ,
		JaegerURL:   e.Jaeger,
		TempoURL:    e.Tempo,
		RabbitMQURL: e.RabbitMQ,
		OTLPGRPC:    e.OTLPGRPC,
		OTLPHTTP:    strings.TrimPrefix(e.OTLPHTTP, "http://"),
		ZipkinURL:   e.Zipkin,
	}
}
