package evaluate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
)

// lost are the counters that rise when something is lost, by where.
var lost = map[string]string{
	"dropped by the SDK, spans":              `otel_sdk_processor_span_processed_total{error_type!=""}`,
	"dropped by the SDK, log records":        `otel_sdk_processor_log_processed_total{error_type!=""}`,
	"not exported by the SDK, spans":         `otel_sdk_exporter_span_exported_total{error_type!=""}`,
	"not exported by the SDK, log records":   `otel_sdk_exporter_log_exported_total{error_type!=""}`,
	"refused for good by a store, spans":     `otelcol_exporter_send_failed_spans_total{exporter!~".*_direct"}`,
	"refused for good by a store, records":   `otelcol_exporter_send_failed_log_records_total`,
	"refused for good by a store, points":    `otelcol_exporter_send_failed_metric_points_total`,
	"dead-lettered messages":                 `audit_messages_total{outcome="dead_lettered"}`,
	"refused by the collector, then retried": `{__name__=~"otelcol_receiver_refused_(spans|log_records|metric_points)_total"}`,
	"not queued, then retried":               `{__name__=~"otelcol_exporter_enqueue_failed_(spans|log_records|metric_points)_total"}`,
}

// reading is what some counters stand at, by series. The name of one that nobody tells any
// more begins with endedSeries: the process after it may tell one of the same labels, from 0 on.
type reading map[string]float64

const (
	endedSeries = "ended "
	// longestRound is the longest that a counter goes without a sample: six rounds of the exports.
	longestRound = 30 * time.Second
)

// read asks Prometheus for the series of a selector.
func (l *lab) read(ctx context.Context, selector string) (reading, error) {
	now := time.Now()
	all, err := l.prometheus.Query(ctx, selector, now)
	if err != nil {
		return nil, err
	}
	live, err := l.prometheus.QueryWithin(ctx, selector, now, longestRound)
	if err != nil {
		return nil, err
	}
	values := reading{}
	for _, series := range all {
		values[endedSeries+fmt.Sprint(series.Labels)] = series.Points[0].Value
	}
	for _, series := range live {
		name := fmt.Sprint(series.Labels)
		delete(values, endedSeries+name)
		values[name] = series.Points[0].Value
	}
	return values, nil
}

// riseTo sums by how much each counter has risen. One that is new, or lower
// because its process has restarted, began at 0; one that is gone has not risen.
func (before reading) riseTo(after reading) int64 {
	var sum float64
	for series, value := range after {
		was, known := before[series]
		if !known {
			was = before[strings.TrimPrefix(series, endedSeries)]
		}
		if value >= was {
			value -= was
		}
		sum += value
	}
	return int64(sum + 0.5)
}

// readings are several readings, by the names of their selectors.
type readings map[string]reading

func (l *lab) readAll(ctx context.Context, selectors map[string]string) (readings, error) {
	all := readings{}
	for name, selector := range selectors {
		var err error
		if all[name], err = l.read(ctx, selector); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// rises returns the counts that are not 0, by name.
func (before readings) risesTo(after readings) []result.Count {
	var counts []result.Count
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if rise := before[name].riseTo(after[name]); rise > 0 {
			counts = append(counts, result.Count{Name: name, Value: rise})
		}
	}
	return counts
}

// queued returns how many bytes wait in the collector's queues, and in those of
// spans and log records alone: there are always metrics on their way.
func (l *lab) queued(ctx context.Context) (all, records float64, err error) {
	metrics, err := backend.ScrapeMetrics(ctx, "the collector", l.target.CollectorURL)
	if err != nil {
		return 0, 0, err
	}
	const size = "otelcol_exporter_queue_size"
	return metrics.Sum(size, ofAnyKind), metrics.Sum(size, func(labels map[string]string) bool { return labels["data_type"] != "metrics" }), nil
}

func (l *lab) queuesEmpty(ctx context.Context) bool {
	_, records, err := l.queued(ctx)
	return err == nil && records == 0
}
