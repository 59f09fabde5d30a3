package dashboards

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"throughline/internal/backend"
)

// Backends answer the queries, each in the place of the data source whose uid
// is the field's name in lower case.
type Backends struct {
	Prometheus *backend.Prometheus
	Loki       *backend.Loki
	Tempo      *backend.Tempo
	Jaeger     *backend.Jaeger
}

// Grafana's defaults for how much a query returns.
const (
	defaultLines  = 100
	defaultTraces = 20
)

// Run sends the query as Grafana would and returns how many rows it found:
// series with at least one number, log lines, traces, spans of a trace, edges
// of the service map, or choices of a variable. A trace that the store does not
// hold is an error ([backend.ErrNotFound]).
func (b Backends) Run(ctx context.Context, q Query) (rows int, err error) {
	rows, err = b.run(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", q, err)
	}
	return rows, nil
}

func (b Backends) run(ctx context.Context, q Query) (int, error) {
	window := backend.Last(q.Window)
	switch q.Kind {
	case PromQL:
		series, err := b.Prometheus.QueryRange(ctx, q.Expr, window, MinStep)
		return withNumbers(series), err
	case LabelValues:
		return b.labelValues(ctx, q.Expr, window)
	case ServiceMap:
		return b.serviceMap(ctx, q, window.End)
	case LogQL:
		if !strings.HasPrefix(q.Expr, "{") {
			series, err := b.Loki.QueryRange(ctx, q.Expr, window, MinStep)
			return withNumbers(series), err
		}
		lines, err := b.Loki.Lines(ctx, q.Expr, window, cmp.Or(q.Limit, defaultLines))
		return len(lines), err
	case TraceQL:
		ids, err := b.Tempo.SearchIn(ctx, q.Expr, window, cmp.Or(q.Limit, defaultTraces))
		return len(ids), err
	case TraceByID:
		var store backend.TraceStore = b.Tempo
		if q.Datasource == "jaeger" {
			store = b.Jaeger
		}
		trace, err := store.Trace(ctx, q.Expr)
		return len(trace.Spans), err
	default:
		return 0, fmt.Errorf("kind %q is not known here", q.Kind)
	}
}

var labelValuesCall = regexp.MustCompile(`^label_values\((.+),\s*(\w+)\)$`)

func (b Backends) labelValues(ctx context.Context, expr string, window backend.Window) (int, error) {
	call := labelValuesCall.FindStringSubmatch(expr)
	if call == nil {
		return 0, fmt.Errorf("%q is not known here; write label_values(<selector>, <label>)", expr)
	}
	values, err := b.Prometheus.LabelValues(ctx, call[2], call[1], window)
	return len(values), err
}

// serviceMap counts the edges that have both of the figures that Grafana draws:
// calls and time.
func (b Backends) serviceMap(ctx context.Context, q Query, at time.Time) (int, error) {
	fewest := math.MaxInt
	for _, metric := range []string{"traces_service_graph_request_total", "traces_service_graph_request_server_seconds_sum"} {
		var sums []string
		for selector := range strings.SplitSeq(q.Expr, "\n") {
			sums = append(sums, fmt.Sprintf("sum by (client, server) (rate(%s%s[%s]))", metric, selector, q.Window))
		}
		edges, err := b.Prometheus.Query(ctx, strings.Join(sums, " or "), at)
		if err != nil {
			return 0, err
		}
		fewest = min(fewest, withNumbers(edges))
	}
	return fewest, nil
}

// Exemplars returns the exemplars that the panel draws beside the query.
func (b Backends) Exemplars(ctx context.Context, q Query) ([]backend.Exemplar, error) {
	exemplars, err := b.Prometheus.Exemplars(ctx, q.Expr, backend.Last(q.Window))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	return exemplars, nil
}

// withNumbers counts the series that have a number to draw.
func withNumbers(all []backend.Series) int {
	count := 0
	for _, series := range all {
		for _, p := range series.Points {
			if !math.IsNaN(p.Value) {
				count++
				break
			}
		}
	}
	return count
}
