package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

// maxAttribute bounds the text of one attribute, in characters: log stores have
// limits, and refuse what goes beyond them.
const maxAttribute = 4096

func newLoggerProvider(ctx context.Context, res *resource.Resource) (*sdklog.LoggerProvider, error) {
	opts := []otlploggrpc.Option{
		otlploggrpc.WithRetry(otlploggrpc.RetryConfig(retry)),
		otlploggrpc.WithDialOption(reconnect),
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
	providerOpts := []sdklog.LoggerProviderOption{
		sdklog.WithResource(res),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter, logBatchOptions()...)),
	}
	if unset("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT") {
		providerOpts = append(providerOpts, sdklog.WithAttributeValueLengthLimit(maxAttribute))
	}
	return sdklog.NewLoggerProvider(providerOpts...), nil
}

func logBatchOptions() []sdklog.BatchProcessorOption {
	var opts []sdklog.BatchProcessorOption
	if unset("OTEL_BLRP_EXPORT_TIMEOUT") {
		opts = append(opts, sdklog.WithExportTimeout(maxOutage))
	}
	if unset("OTEL_BLRP_MAX_QUEUE_SIZE") {
		opts = append(opts, sdklog.WithMaxQueueSize(maxQueue))
	}
	return opts
}
