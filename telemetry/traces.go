package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func newTracerProvider(ctx context.Context, res *resource.Resource, mp metric.MeterProvider, c config) (*sdktrace.TracerProvider, error) {
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(res),
		sdktrace.WithRawSpanLimits(spanLimits()),
		sdktrace.WithSpanProcessor(serverSpans{}),
	}
	for _, p := range c.processors {
		opts = append(opts, sdktrace.WithSpanProcessor(p))
	}
	if !exports("TRACES") {
		return sdktrace.NewTracerProvider(opts...), nil
	}
	exporter, err := newSpanExporter(ctx)
	if err != nil {
		return nil, err
	}
	room := newSpanBudget(mp)
	maxValue := noLimit // the SDK's alone
	if unset(spanValueLengths...) {
		maxValue = maxText
	}
	batches := sdktrace.NewBatchSpanProcessor(releasingSpans{exporter, room}, spanBatchOptions()...)
	return sdktrace.NewTracerProvider(append(opts,
		sdktrace.WithSpanProcessor(keptSpans{boundedSpans{batches, room, maxValue}, c.keep}))...), nil
}

func newSpanExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	opts := []otlptracegrpc.Option{otlptracegrpc.WithRetry(retry), otlptracegrpc.WithDialOption(reconnect, splitTooLarge)}
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
	return exporter, nil
}

func spanBatchOptions() []sdktrace.BatchSpanProcessorOption {
	opts := []sdktrace.BatchSpanProcessorOption{sdktrace.WithMaxQueueSize(queueSize("OTEL_BSP_MAX_QUEUE_SIZE"))}
	if unset("OTEL_BSP_EXPORT_TIMEOUT") {
		opts = append(opts, sdktrace.WithExportTimeout(maxOutage))
	}
	return opts
}
