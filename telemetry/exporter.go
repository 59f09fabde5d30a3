package telemetry

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// What holds for every signal where no OTEL_* variable says otherwise.
const (
	// defaultEndpoint is the OTLP/gRPC default of the OpenTelemetry
	// specification. The Go exporters' own is the same address with TLS.
	defaultEndpoint = "http://localhost:4317"
	// maxOutage is how long a batch is retried while the collector is away. The
	// specification's 10 s would drop it before a collector has been restarted.
	maxOutage = 5 * time.Minute
	// maxQueue is how many spans, and how many log records, wait meanwhile, if they
	// are no larger than maxSpanBytes and maxRecordBytes allow; the specification's
	// 2048 last a service with 100 spans a second for 20 s.
	maxQueue = 32768
	// maxRetryInterval is how long a collector that is back may go unnoticed.
	maxRetryInterval = 2 * time.Second
)

// retry is converted to the same type of the other signals' exporters.
var retry = otlptracegrpc.RetryConfig{
	Enabled:         true,
	InitialInterval: 200 * time.Millisecond,
	MaxInterval:     maxRetryInterval,
	MaxElapsedTime:  maxOutage,
}

// reconnect keeps gRPC's own wait between attempts to connect, up to 2 min by
// default, from outlasting the retries.
var reconnect = grpc.WithConnectParams(grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxRetryInterval},
	MinConnectTimeout: maxRetryInterval,
})

// noEndpoint tells whether the environment leaves the collector's address for
// the signal (TRACES, METRICS, LOGS) to its default.
func noEndpoint(signal string) bool {
	return unset("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
}

// noTimeout tells whether the environment leaves the time for one export to its
// default.
func noTimeout(signal string) bool {
	return unset("OTEL_EXPORTER_OTLP_"+signal+"_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
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

func exporterError(signal string, err error) error {
	return fmt.Errorf("telemetry: set up the OTLP exporter of %s: %w; check the OTEL_EXPORTER_OTLP_* variables", signal, err)
}

// exports tells whether the signal is exported.
func exports(signal string) bool { return os.Getenv("OTEL_"+signal+"_EXPORTER") != "none" }

// checkEnvironment refuses what this package does not do: to go on would mean that
// telemetry goes elsewhere than the variable says, or nowhere.
func checkEnvironment() error {
	allowed := map[string][]string{"OTEL_EXPORTER_OTLP_PROTOCOL": {"grpc"}}
	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		allowed["OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL"] = []string{"grpc"}
		allowed["OTEL_"+signal+"_EXPORTER"] = []string{"otlp", "none"}
	}
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		if value := os.Getenv(name); value != "" && !slices.Contains(allowed[name], value) {
			return fmt.Errorf("telemetry: %s=%q is not supported: use %s, or leave it out; a collector takes OTLP/gRPC at port 4317, and passes it on by other protocols",
				name, value, strings.Join(allowed[name], " or "))
		}
	}
	return nil
}
