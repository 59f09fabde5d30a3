package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"throughline/internal/backend"
	"throughline/internal/dashboards"
)

// checkLinks does what a click on each link of the data sources does in
// Grafana, beginning with the spans and the lines of one login.
func (r *run) checkLinks(ctx context.Context) Check {
	if len(r.logins) == 0 || r.logins[0].err != nil {
		return failed("%v", errNoTrace)
	}
	sources, err := dashboards.LoadSources(filepath.Join(r.target.Grafana, "provisioning", "datasources"), func(string) string { return "" })
	if err != nil {
		return failed("%v", err)
	}
	trace := r.logins[0].traces[0]
	followed := 0
	var dead []error
	follow := func(source dashboards.Source, link string, click func() error) {
		followed++
		if err := until(ctx, click); err != nil {
			dead = append(dead, fmt.Errorf("%s, %s: %w", source.Name, link, err))
		}
	}
	for _, source := range sources {
		links := source.Links
		if to := links.TracesToLogs; to != nil {
			for _, span := range loggingSpans(trace) {
				follow(source, "trace to logs", func() error { return r.spanHasLines(ctx, *to, span) })
			}
		}
		if to := links.TracesToMetrics; to != nil {
			queries := to.PromQL(trace.Spans[0])
			for _, name := range slices.Sorted(maps.Keys(queries)) {
				follow(source, name, func() error { return r.hasSeries(ctx, queries[name], to.Around(trace.Spans[0])) })
			}
		}
		for _, field := range links.DerivedFields {
			follow(source, field.Name, func() error { return r.lineLeadsToTrace(ctx, field, trace) })
		}
		for _, to := range links.ExemplarTraceIDDestinations {
			follow(source, "exemplar to "+to.DatasourceUID, func() error { return r.exemplarLeadsToTrace(ctx, to) })
		}
		if links.ServiceMap != nil {
			follow(source, "service map", func() error {
				edges, err := r.backends.Run(ctx, dashboards.Query{Kind: dashboards.ServiceMap, Window: backendWindow})
				if err == nil && edges == 0 {
					return errors.New("it has no edges")
				}
				return err
			})
		}
	}
	check := Check{OK: len(dead) == 0, Value: float64(followed - len(dead)), Unit: "links",
		Detail: fmt.Sprintf("%d of %d links from trace to logs, logs to trace, trace to metrics and exemplar to trace lead to data", followed-len(dead), followed)}
	if !check.OK {
		check.Detail += "; " + errors.Join(dead...).Error()
	}
	return check
}

// loggingSpans are the spans whose service writes lines, one of each service.
func loggingSpans(trace backend.Trace) []backend.Span {
	var spans []backend.Span
	for _, service := range loggingServices {
		if i := slices.IndexFunc(trace.Spans, func(s backend.Span) bool { return s.Service == service }); i >= 0 {
			spans = append(spans, trace.Spans[i])
		}
	}
	return spans
}

func (r *run) spanHasLines(ctx context.Context, to dashboards.TracesToLogs, span backend.Span) error {
	query := to.LogQL(span)
	lines, err := r.loki.Lines(ctx, query, to.Around(span), maxLines)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(lines, func(l backend.LogLine) bool {
		return l.Labels["trace_id"] == span.TraceID && l.Labels["service_name"] == span.Service
	}) {
		return fmt.Errorf("%s finds no line of %s", query, span.Describe())
	}
	return nil
}

func (r *run) hasSeries(ctx context.Context, promQL string, w backend.Window) error {
	series, err := r.backends.Prometheus.QueryRange(ctx, promQL, w, dashboards.MinStep)
	if err == nil && len(series) == 0 {
		return fmt.Errorf("%s finds nothing", promQL)
	}
	return err
}

func (r *run) lineLeadsToTrace(ctx context.Context, field dashboards.DerivedField, trace backend.Trace) error {
	span := trace.Spans[0]
	query := fmt.Sprintf(`{service_name=%q} | trace_id=%q`, span.Service, span.TraceID)
	lines, err := r.loki.Lines(ctx, query, dashboards.Shift{Start: -backendWindow, End: backendWindow}.Around(span), 1)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("%s finds no line to begin with", query)
	}
	wanted := field.Query(lines[0])
	if wanted == "" {
		return fmt.Errorf("the line %q does not match the field", lines[0].Text)
	}
	if field.DatasourceUID == "" { // a page, with the id in its address
		return nil
	}
	return r.storeHolds(ctx, field.DatasourceUID, wanted)
}

func (r *run) exemplarLeadsToTrace(ctx context.Context, to dashboards.ExemplarDestination) error {
	const metric = "messaging_message_time_in_queue_seconds_bucket"
	exemplars, err := r.backends.Prometheus.Exemplars(ctx, metric, backend.Last(backendWindow))
	if err != nil {
		return err
	}
	if len(exemplars) == 0 {
		return fmt.Errorf("%s has no exemplar", metric)
	}
	newest := slices.MaxFunc(exemplars, func(a, b backend.Exemplar) int { return a.Time.Compare(b.Time) })
	id := newest.Labels[to.Name]
	if id == "" {
		return fmt.Errorf("an exemplar of %s has no label %s", metric, to.Name)
	}
	return r.storeHolds(ctx, to.DatasourceUID, id)
}

func (r *run) storeHolds(ctx context.Context, uid, traceID string) error {
	rows, err := r.backends.Run(ctx, dashboards.Query{Kind: dashboards.TraceByID, Datasource: uid, Expr: traceID})
	if err == nil && rows == 0 {
		return fmt.Errorf("%s holds no span of trace %s", uid, traceID)
	}
	return err
}
