package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// hop is what the hops of the collector count on the way to one store, since the
// trace began. A counter knows no single span.
type hop struct {
	accepted float64 // spans, by the receivers
	waiting  float64 // bytes, in the queue of the exporter
	failed   float64 // spans, by the exporter
	sent     float64 // spans, by both ways to the store
}

// hops returns a function that says, as the end of a cause, which hop of the collector
// counted a span last on its way to a store. It asks once for each store.
func (d Doctor) hops(since time.Time) func(ctx context.Context, store string) (string, error) {
	known := map[string]string{}
	return func(ctx context.Context, store string) (string, error) {
		if _, asked := known[store]; !asked && d.Prometheus != nil {
			counted, err := d.count(ctx, strings.ToLower(store), since)
			if err != nil {
				return "", err
			}
			known[store] = counted.last(store)
		}
		return known[store], nil
	}
}

func (d Doctor) count(ctx context.Context, store string, since time.Time) (h hop, err error) {
	exporter := "otlp_http/" + store
	window := fmt.Sprintf("[%ds]", int(time.Since(since).Seconds())+60)
	for _, one := range []struct {
		into  *float64
		query string
	}{
		// Of two tiers the first receives from the services.
		{&h.accepted, `sum(increase(otelcol_receiver_accepted_spans_total{job!="sampler"}` + window + `))`},
		{&h.waiting, fmt.Sprintf(`sum(otelcol_exporter_queue_size{exporter=%q, data_type="traces"})`, exporter)},
		{&h.failed, fmt.Sprintf(`sum(increase({__name__=~"otelcol_exporter_(send|enqueue)_failed_spans_total", exporter=%q}%s))`, exporter, window)},
		{&h.sent, fmt.Sprintf(`sum(increase(otelcol_exporter_sent_spans_total{exporter=~"%s(_direct)?"}%s))`, exporter, window)},
	} {
		series, err := d.Prometheus.Query(ctx, one.query, time.Now())
		if err != nil {
			return h, err
		}
		if len(series) > 0 {
			points := series[0].Points
			*one.into = points[len(points)-1].Value
		}
	}
	return h, nil
}

func (h hop) last(store string) string {
	if h.accepted < 0.5 {
		return "; the collector's receivers have accepted no span since the trace began, so that no hop of the collector has counted it: it went past the collector"
	}
	said := fmt.Sprintf("; the collector's receivers have accepted about %.0f spans since the trace began, and ", h.accepted)
	switch {
	case h.waiting > 0:
		return said + fmt.Sprintf("%.0f bytes wait in the queue for %s: the queue counted it last", h.waiting, store)
	case h.failed > 0:
		return said + fmt.Sprintf("%s did not take about %.0f: its exporter counted it last, as failed", store, h.failed)
	case h.sent < 0.5:
		return said + fmt.Sprintf("none was sent to %s, waits for it or has failed: the receivers counted it last, and a processor left it out", store)
	default:
		return said + fmt.Sprintf("about %.0f were sent to %s, and none waits or has failed: its exporter counted it last, as sent, or it went past the collector", h.sent, store)
	}
}
