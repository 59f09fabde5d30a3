package backend

import (
	"bytes"
	"context"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are what a program shows of itself, by the names of the metrics.
type Metrics map[string]*dto.MetricFamily

// ScrapeMetrics reads the metrics that the named program shows at url in
// Prometheus' text format.
func ScrapeMetrics(ctx context.Context, name, url string) (Metrics, error) {
	page, err := newEndpoint(name, url).get(ctx, "", "text/plain")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	if err != nil {
		return nil, fmt.Errorf("%s at %s does not answer as Prometheus understands it: %w", name, url, err)
	}
	return families, nil
}

// Sum adds up the counters and gauges of one name of which only holds, given
// their labels. It is 0 when there are none.
func (m Metrics) Sum(name string, only func(labels map[string]string) bool) float64 {
	var sum float64
	for _, sample := range m[name].GetMetric() {
		labels := map[string]string{}
		for _, pair := range sample.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		if only(labels) {
			sum += sample.GetCounter().GetValue() + sample.GetGauge().GetValue() + sample.GetUntyped().GetValue()
		}
	}
	return sum
}
