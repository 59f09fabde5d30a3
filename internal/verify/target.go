package verify

import "throughline/internal/stack"

// TargetOf addresses the stack that runs natively.
func TargetOf(e stack.Endpoints) Target {
	return Target{
		LoginURL:    e.LoginAPI,
		AuditURL:    e.AuditMQ,
		JaegerURL:   e.Jaeger,
		TempoURL:    e.Tempo,
		RabbitMQURL: e.RabbitMQ,
		OTLPGRPC:    e.OTLPGRPC,
		OTLPHTTP:    e.OTLPHTTP,
		ZipkinURL:   e.Zipkin,
	}
}
