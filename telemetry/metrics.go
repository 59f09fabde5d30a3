package telemetry

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/zeromicro/go-zero/core/proc"
	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// exportInterval is how old a metric may be in the store; the specification's
// 60 s is too old for a person who has just made a request.
const exportInterval = 5 * time.Second

// newMeterProvider exports with the specification's timeout, unlike the other
// signals: metrics are cumulative, so the next export says all that a lost one
// would have said.
func newMeterProvider(ctx context.Context, res *resource.Resource) (*sdkmetric.MeterProvider, error) {
	if !exports("METRICS") {
		return sdkmetric.NewMeterProvider(sdkmetric.WithResource(res)), nil
	}
	opts := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig(retry)),
		otlpmetricgrpc.WithDialOption(reconnect),
	}
	if noEndpoint("METRICS") {
		opts = append(opts, otlpmetricgrpc.WithEndpointURL(defaultEndpoint))
	}
	exporter, err := otlpmetricgrpc.New(ctx, opts...)
	if err != nil {
		return nil, exporterError("metrics", err)
	}
	readerOpts := []sdkmetric.PeriodicReaderOption{sdkmetric.WithProducer(newGoZeroProducer(prom.DefaultGatherer))}
	if unset("OTEL_METRIC_EXPORT_INTERVAL") {
		readerOpts = append(readerOpts, sdkmetric.WithInterval(exportInterval))
	}
	reader := sdkmetric.NewPeriodicReader(exporter, readerOpts...)
	return sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader)), nil
}

// newGoZeroProducer takes over what go-zero registers with Prometheus, without
// what the Prometheus client measures itself: the Go runtime comes by the
// OpenTelemetry conventions.
func newGoZeroProducer(gatherer prom.Gatherer) sdkmetric.Producer {
	return prombridge.NewMetricProducer(prombridge.WithGatherer(prom.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := gatherer.Gather()
		return slices.DeleteFunc(families, isPrometheusClients), err
	})))
}

func isPrometheusClients(family *dto.MetricFamily) bool {
	for _, prefix := range []string{"go_", "process_", "promhttp_"} {
		if strings.HasPrefix(family.GetName(), prefix) {
			return true
		}
	}
	return false
}

// registerer keeps what is registered while the process stops: go-zero unregisters
// its metrics then, before the last export has told what they hold.
type registerer struct {
	prom.Registerer
	stopping atomic.Bool
}

func (r *registerer) Unregister(c prom.Collector) bool {
	return !r.stopping.Load() && r.Registerer.Unregister(c)
}

// keepMetricsToTheEnd must come before go-zero's servers.
func keepMetricsToTheEnd() {
	r := &registerer{Registerer: prom.DefaultRegisterer}
	prom.DefaultRegisterer = r
	proc.AddWrapUpListener(func() { r.stopping.Store(true) })
}
