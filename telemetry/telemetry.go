// Package telemetry sends what a go-zero service observes to an OpenTelemetry
// collector, over OTLP/gRPC, with one call:
//
//	shutdown, err := telemetry.Setup(ctx, "login-api")
//	…
//	defer shutdown(ctx)
//
// Everything is configured by the standard OTEL_* environment variables:
// OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4317), OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_PROPAGATORS
// (tracecontext,baggage), OTEL_BSP_* and OTEL_SDK_DISABLED.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/zeromicro/go-zero/core/logx"
	gozerotrace "github.com/zeromicro/go-zero/core/trace"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Shutdown sends what is still buffered and stops. Its context bounds the wait
// for a collector that does not answer; spans that could not be sent by then
// are lost and the error says so.
type Shutdown func(context.Context) error

// Setup installs the global TracerProvider and propagator, so that go-zero's own
// spans (REST, zRPC, sqlx) and those of otelamqp are exported together. Call it
// before the go-zero server is made and call the returned Shutdown after the
// server has stopped. The service name is a default for OTEL_SERVICE_NAME.
//
// A collector that is away is not an error: spans are buffered and the exporter
// reconnects. Setup fails only when a variable holds a value that it cannot use.
func Setup(ctx context.Context, serviceName string) (Shutdown, error) {
	if disabled() {
		return func(context.Context) error { return nil }, nil
	}
	res, err := newResource(ctx, serviceName)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracegrpc.New(ctx, exporterOptions()...)
	if err != nil {
		return nil, fmt.Errorf("telemetry: set up the OTLP exporter: %w; check the OTEL_EXPORTER_OTLP_* variables", err)
	}
	propagator, err := newPropagator()
	if err != nil {
		return nil, errors.Join(err, exporter.Shutdown(ctx))
	}
	batches := sdktrace.NewBatchSpanProcessor(exporter, batchOptions()...)
	tp := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSpanProcessor(withoutHealthChecks{batches}))

	// go-zero sets a TracerProvider of its own when a server is made, once in a
	// process. Let it have had its turn, so that ours stays.
	gozerotrace.StartAgent(gozerotrace.Config{Name: serviceName})
	otel.SetTracerProvider(tp)
	otel.SetTextMapPropagator(propagator)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logx.Errorf("opentelemetry: %v", err) }))

	return func(ctx context.Context) error {
		if err := tp.Shutdown(ctx); err != nil {
			return fmt.Errorf("telemetry: spans may be lost: %w", err)
		}
		return nil
	}, nil
}

func disabled() bool {
	return strings.EqualFold(strings.TrimSpace(os.Getenv("OTEL_SDK_DISABLED")), "true")
}
