package verify

import (
	"path/filepath"

	"throughline/internal/stack"
)

// TargetOf addresses the stack that runs natively.
func TargetOf(s *stack.Stack) Target {
	e := s.Endpoints()
	return Target{
		Grafana:       filepath.Join(s.Root(), "grafana"),
		LoginURL:      e.LoginAPI,
		AuditURL:      e.AuditMQ,
		JaegerURL:     e.Jaeger,
		TempoURL:      e.Tempo,
		LokiURL:       e.Loki,
		PrometheusURL: e.Prometheus,
		RabbitMQURL:   e.RabbitMQ,
		OTLPGRPC:      e.OTLPGRPC,
		OTLPHTTP:      e.OTLPHTTP,
		CollectorURL:  e.CollectorMetrics,
		ZipkinURL:     e.Zipkin,
		ConsoleURL:    e.Console,
	}
}
