package telemetry

import (
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// What holds where no OTEL_* variable says otherwise.
const (
	// defaultEndpoint is the OTLP/gRPC default of the OpenTelemetry
	// specification. The Go exporter's own is the same address with TLS.
	defaultEndpoint = "http://localhost:4317"
	// maxOutage is how long a batch is retried while the collector is away. The
	// specification's 10 s would drop it before a collector has been restarted.
	maxOutage = 5 * time.Minute
	// maxQueue is how many spans wait meanwhile; the specification's 2048 last
	// a service with 100 spans a second for 20 s.
	maxQueue = 32768
)

var retry = otlptracegrpc.RetryConfig{
	Enabled:         true,
	InitialInterval: 200 * time.Millisecond,
	MaxInterval:     2 * time.Second,
	MaxElapsedTime:  maxOutage,
}

func exporterOptions() []otlptracegrpc.Option {
	opts := []otlptracegrpc.Option{otlptracegrpc.WithRetry(retry)}
	if unset("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") {
		opts = append(opts, otlptracegrpc.WithEndpointURL(defaultEndpoint))
	}
	if unset("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
		opts = append(opts, otlptracegrpc.WithTimeout(maxOutage))
	}
	return opts
}

func batchOptions() []sdktrace.BatchSpanProcessorOption {
	var opts []sdktrace.BatchSpanProcessorOption
	if unset("OTEL_BSP_EXPORT_TIMEOUT") {
		opts = append(opts, sdktrace.WithExportTimeout(maxOutage))
	}
	if unset("OTEL_BSP_MAX_QUEUE_SIZE") {
		opts = append(opts, sdktrace.WithMaxQueueSize(maxQueue))
	}
	return opts
}

// unset tells whether none of the environment variables has a value.
func unset(names ...string) bool {
	for _, name := range names {
		if os.Getenv(name) != "" {
			return false
		}
	}
	return true
}
