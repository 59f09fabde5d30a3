package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func newTracerProvider(ctx context.Context, res *resource.Resource) (*sdktrace.TracerProvider, error) {
	opts := []otlptracegrpc.Option{otlptracegrpc.WithRetry(retry), otlptracegrpc.WithDialOption(reconnect)}
	if noEndpoint("TRACES") {
		opts = append(opts, otlptracegrpc.WithEndpointURL(defaultEndpoint))
	}
	if noTimeout("TRACES") {
		opts = append(opts, otlptracegrpc.WithTimeout(maxOutage))
	}
	exporter, err := otlptracegrpc.New(ctx, opts...)
	if err != nil {
		return nil, exporterError("traces", err)
	}
	batches := sdktrace.NewBatchSpanProcessor(exporter, spanBatchOptions()...)
	return sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSpanProcessor(withoutHealthChecks{batches})), nil
}

func spanBatchOptions() []sdktrace.BatchSpanProcessorOption {
	var opts []sdktrace.BatchSpanProcessorOption
	if unset("OTEL_BSP_EXPORT_TIMEOUT") {
		opts = append(opts, sdktrace.WithExportTimeout(maxOutage))
	}
	if unset("OTEL_BSP_MAX_QUEUE_SIZE") {
		opts = append(opts, sdktrace.WithMaxQueueSize(maxQueue))
	}
	return opts
}
