// Package telemetry sends what a go-zero service observes, its traces, metrics
// and logs, to an OpenTelemetry collector, over OTLP/gRPC, with one call:
//
//	conf.MustLoad(*configFile, &c)
//	logx.Must(c.SetUp())
//	shutdown, err := telemetry.Setup(ctx, "login-api")
//	…
//	defer shutdown(ctx)
//
// Traces are go-zero's own (REST, zRPC, sqlx, redis) and those of whoever uses
// the global TracerProvider. Metrics are go-zero's own, which otherwise need a
// Prometheus port, those of the Go runtime, and those of whoever uses the global
// MeterProvider, with exemplars. Logs are what is written through logx; they go
// on to the console as well. The log lines of a request carry the ids of its
// span as ids, not as text, and no line carries a mobile number, or what [WithMask]
// says.
//
// Everything is configured by the standard OTEL_* environment variables:
// OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4317), OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_PROPAGATORS
// (tracecontext,baggage), OTEL_BSP_* and OTEL_BLRP_* (batches of spans and of log
// records), OTEL_METRIC_EXPORT_INTERVAL (5000 ms), OTEL_TRACES_EXPORTER and its likes
// (otlp or none), and OTEL_SDK_DISABLED. A value that is not supported, such as
// OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, is an error that names it.
//
// What a caller can make long is cut: names, values and status messages at 2048 bytes
// (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT and its like, in characters, win for values),
// log lines at 16 KiB; a span has 128 attributes, 32 events of 16 attributes, and
// links of 4 (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and its like win). What waits for the
// collector takes at most 24 MiB of spans and 16 MiB of log records; what does not
// fit is dropped, and counted as the SDK counts it. [Edge] does the same for requests.
//
// Before 1.0 a minor version may change the API of this package; CHANGELOG.md says how.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/zeromicro/go-zero/core/prometheus"
	gozerotrace "github.com/zeromicro/go-zero/core/trace"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log/noop"
)

// Shutdown sends what is still buffered and stops. Its context bounds the wait
// for a collector that does not answer; what could not be sent by then is lost
// and the error says so.
type Shutdown func(context.Context) error

// scope is the instrumentation scope of what this package measures.
const scope = "throughline/telemetry"

// Setup installs the global TracerProvider, MeterProvider, LoggerProvider and
// propagator, turns go-zero's metrics on, and adds OTLP to logx. Call it after
// ServiceConf.SetUp, or logx.SetUp, which applies the Log block of the
// configuration: without it logx gets its defaults here, and keeps them. Call it
// before the go-zero server is made, and call the returned Shutdown after the
// server has stopped. The service name is a default for OTEL_SERVICE_NAME.
//
// A collector that is away is not an error: spans and log records are buffered,
// metrics add up, and the exporters reconnect. Setup fails only when a variable
// holds a value that it cannot use.
func Setup(ctx context.Context, serviceName string, opts ...Option) (Shutdown, error) {
	c := newConfig(opts)
	if disabled() {
		addLogWriter(noop.NewLoggerProvider(), c.masker) // what goes to the console is masked all the same
		return func(context.Context) error { return nil }, nil
	}
	if err := checkEnvironment(); err != nil {
		return nil, err
	}
	res, err := newResource(ctx, serviceName, c.attributes)
	if err != nil {
		return nil, err
	}
	propagator, err := newPropagator()
	if err != nil {
		return nil, err
	}
	mp, err := newMeterProvider(ctx, res)
	if err != nil {
		return nil, err
	}
	tp, err := newTracerProvider(ctx, res, mp, c)
	if err != nil {
		return nil, errors.Join(err, mp.Shutdown(ctx))
	}
	lp, err := newLoggerProvider(ctx, res, mp)
	if err != nil {
		return nil, errors.Join(err, tp.Shutdown(ctx), mp.Shutdown(ctx))
	}

	// go-zero sets a TracerProvider of its own when a server is made, once in a
	// process. Let it have had its turn, so that ours stays.
	gozerotrace.StartAgent(gozerotrace.Config{Name: serviceName})
	keepMetricsToTheEnd()
	prometheus.Enable() // go-zero counts nothing otherwise; this opens no port
	console := addLogWriter(lp, c.masker)
	otel.SetErrorHandler(newErrorHandler(console, c.masker))
	otel.SetTextMapPropagator(propagator)
	otel.SetTracerProvider(tp)
	otel.SetMeterProvider(mp)
	otel.SetLoggerProvider(lp)

	shutdown := func(ctx context.Context) error {
		var spans, metrics, records error
		var all sync.WaitGroup // at once: each may need all the time that there is
		all.Go(func() { spans = lost("spans", tp.Shutdown(ctx)) })
		all.Go(func() { metrics = lost("metrics", mp.Shutdown(ctx)) })
		all.Go(func() { records = lost("log records", lp.Shutdown(ctx)) })
		all.Wait()
		return errors.Join(spans, metrics, records)
	}
	if err := runtime.Start(runtime.WithMeterProvider(mp)); err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: measure the Go runtime: %w", err), shutdown(ctx))
	}
	return shutdown, nil
}

func lost(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("telemetry: %s may be lost: %w", what, err)
}

func disabled() bool {
	return strings.EqualFold(strings.TrimSpace(os.Getenv("OTEL_SDK_DISABLED")), "true")
}
