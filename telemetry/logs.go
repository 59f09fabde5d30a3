package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

func newLoggerProvider(ctx context.Context, res *resource.Resource, mp metric.MeterProvider) (*sdklog.LoggerProvider, error) {
	if !exports("LOGS") {
		return sdklog.NewLoggerProvider(sdklog.WithResource(res)), nil
	}
	opts := []otlploggrpc.Option{
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig(retry)),
		otlploggrpc.WithDialOption(reconnect, splitTooLarge),
	}
	if noEndpoint("LOGS") {
		opts = append(opts, otlploggrpc.WithEndpointURL(defaultEndpoint))
	}
	if noTimeout("LOGS") {
		opts = append(opts, otlploggrpc.WithTimeout(maxOutage))
	}
	exporter, err := otlploggrpc.New(ctx, opts...)
	if err != nil {
		return nil, exporterError("logs", err)
	}
	budget := newRecordBudget(mp)
	batches := sdklog.NewBatchProcessor(releasingRecords{exporter, budget}, logBatchOptions()...)
	providerOpts := []sdklog.LoggerProviderOption{
		sdklog.WithResource(res),
		sdklog.WithProcessor(boundedRecords{batches, budget}),
	}
	if unset("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT") {
		providerOpts = append(providerOpts, sdklog.WithAttributeValueLengthLimit(maxText))
	}
	return sdklog.NewLoggerProvider(providerOpts...), nil
}

func logBatchOptions() []sdklog.BatchProcessorOption {
	opts := []sdklog.BatchProcessorOption{sdklog.WithMaxQueueSize(queueSize("OTEL_BLRP_MAX_QUEUE_SIZE"))}
	if unset("OTEL_BLRP_EXPORT_TIMEOUT") {
		opts = append(opts, sdklog.WithExportTimeout(maxOutage))
	}
	return opts
}
