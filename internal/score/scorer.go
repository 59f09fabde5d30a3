package score

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/semconv"
)

// Scorer reads what a score is computed from.
type Scorer struct {
	// Stores hold the traces: each is read from the first that holds it.
	Stores     []backend.TraceSearcher
	Prometheus *backend.Prometheus
	Loki       *backend.Loki
}

// Query says which services are scored: those in the latest traces.
type Query struct {
	// Service is the only one, or empty for all.
	Service string
	// Last is how far back traces and log lines are looked for, and Limit how many traces.
	Last  time.Duration
	Limit int
}

const (
	// keeps is the time that MET-004 asks about; Prometheus keeps less.
	keeps = 14 * 24 * time.Hour
	// maxSeries is the most that is read at once. Of a service with more of them in an hour
	// MET-001 looks at these, and MET-004 is left out where its buckets are more.
	maxSeries = 100_000
	// made are the metrics that the collector makes of a service's spans.
	made = "traces_"
)

// Report scores the services. One without traces in that time is not among them.
func (s Scorer) Report(ctx context.Context, q Query) (Report, error) {
	window := backend.Last(q.Last) // before all that is read, which takes its time
	ids, err := backend.LatestTraces(ctx, s.Stores, q.Service, q.Last, q.Limit)
	if err != nil {
		return Report{}, err
	}
	traces, err := s.read(ctx, ids)
	if err != nil {
		return Report{}, err
	}
	services := seenIn(traces)
	for name, service := range services {
		if q.Service != "" && q.Service != name {
			delete(services, name)
			continue
		}
		if name == "" {
			continue // nothing to select its metrics and lines by
		}
		if service.metrics, err = s.metricsOf(ctx, name); err != nil {
			return Report{}, err
		}
		if service.logs, err = s.logsOf(ctx, name, window); err != nil {
			return Report{}, err
		}
	}
	return Report{Traces: len(traces), Services: scores(services), NotComputed: Left, Conventions: semconv.Version()}, nil
}

func (s Scorer) read(ctx context.Context, ids []string) ([]backend.Trace, error) {
	var traces []backend.Trace
	for _, id := range ids {
		for i, store := range s.Stores {
			trace, err := store.Trace(ctx, id)
			if errors.Is(err, backend.ErrNotFound) && i+1 < len(s.Stores) {
				continue
			}
			if err != nil {
				return nil, err
			}
			traces = append(traces, trace)
			break
		}
	}
	return traces, nil
}

func (s Scorer) metricsOf(ctx context.Context, service string) (metrics, error) {
	hour, err := s.Prometheus.Series(ctx, fmt.Sprintf(`{service_name=%q, __name__!~"%s.*|target_info"}`, service, made), backend.Last(time.Hour), maxSeries)
	if err != nil {
		return metrics{}, err
	}
	m := metrics{lastHour: hour}
	var histograms []string
	for _, labels := range hour {
		if name := labels["__name__"]; strings.HasSuffix(name, "_bucket") {
			histograms = append(histograms, regexp.QuoteMeta(name))
		}
	}
	if len(histograms) == 0 {
		return m, nil
	}
	slices.Sort(histograms)
	buckets, err := s.Prometheus.Series(ctx, fmt.Sprintf(`{__name__=~%q}`, strings.Join(slices.Compact(histograms), "|")), backend.Last(keeps), maxSeries)
	if len(buckets) < maxSeries {
		m.buckets = buckets
	}
	return m, err
}

func (s Scorer) logsOf(ctx context.Context, service string, w backend.Window) (logs, error) {
	selector := fmt.Sprintf(`{service_name=%q}`, service)
	lines, err := s.Loki.Lines(ctx, selector, w, 1)
	if err != nil || len(lines) == 0 {
		return logs{}, err
	}
	unset, err := s.Loki.Lines(ctx, selector+` | severity_number="" or severity_number="0" or severity_text="UNSET"`, w, 1)
	if err != nil || len(unset) == 0 {
		return logs{any: true}, err
	}
	return logs{any: true, unset: &unset[0]}, nil
}
