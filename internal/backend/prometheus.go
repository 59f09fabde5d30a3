package backend

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Prometheus reads from the HTTP API of Prometheus.
type Prometheus struct{ endpoint }

// NewPrometheus returns a client of the Prometheus that answers at url, for
// example http://127.0.0.1:9090.
func NewPrometheus(url string) *Prometheus {
	return &Prometheus{newEndpoint("Prometheus", strings.TrimRight(url, "/"))}
}

// Name is "Prometheus".
func (p *Prometheus) Name() string { return p.name }

// Query returns the series of a PromQL expression, each with its value at one
// moment.
func (p *Prometheus) Query(ctx context.Context, promQL string, at time.Time) ([]Series, error) {
	return p.query(ctx, url.Values{"query": {promQL}, "time": {seconds(at)}})
}

// QueryWithin does the same, and leaves out the series that have no sample in so long
// before that moment. Query takes what Prometheus is set to, five minutes by default.
func (p *Prometheus) QueryWithin(ctx context.Context, promQL string, at time.Time, lookback time.Duration) ([]Series, error) {
	return p.query(ctx, url.Values{"query": {promQL}, "time": {seconds(at)}, "lookback_delta": {lookback.String()}})
}

func (p *Prometheus) query(ctx context.Context, parameters url.Values) ([]Series, error) {
	var answer struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  point
		}
	}
	if err := p.data(ctx, "/api/v1/query", parameters, &answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", parameters.Get("query"), err)
	}
	var all []Series
	for _, result := range answer.Result {
		all = append(all, Series{Labels: result.Metric, Points: []Point{Point(result.Value)}})
	}
	return all, nil
}

// QueryRange returns the series of a PromQL expression, with a value at each
// step of the window.
func (p *Prometheus) QueryRange(ctx context.Context, promQL string, w Window, step time.Duration) ([]Series, error) {
	return p.queryRange(ctx, "/api/v1/query_range", promQL, w, step)
}

// Exemplar is one measurement that stands for those beside it.
type Exemplar struct {
	// Series are the labels of the series that it belongs to.
	Series map[string]string
	// Labels are its own, for example trace_id.
	Labels map[string]string
	Value  float64
	Time   time.Time
}

// Exemplars returns the exemplars of every series that the PromQL expression
// reads.
func (p *Prometheus) Exemplars(ctx context.Context, promQL string, w Window) ([]Exemplar, error) {
	var answer []struct {
		SeriesLabels map[string]string
		Exemplars    []struct {
			Labels    map[string]string
			Value     float64 `json:",string"`
			Timestamp float64
		}
	}
	parameters := url.Values{"query": {promQL}, "start": {seconds(w.Start)}, "end": {seconds(w.End)}}
	if err := p.data(ctx, "/api/v1/query_exemplars", parameters, &answer); err != nil {
		return nil, fmt.Errorf("exemplars of %s: %w", promQL, err)
	}
	var all []Exemplar
	for _, series := range answer {
		for _, e := range series.Exemplars {
			all = append(all, Exemplar{
				Series: series.SeriesLabels,
				Labels: e.Labels,
				Value:  e.Value,
				Time:   time.UnixMilli(int64(e.Timestamp * 1000)),
			})
		}
	}
	return all, nil
}

// LabelValues returns the values of a label among the series that match the
// selector, sorted.
func (p *Prometheus) LabelValues(ctx context.Context, label, selector string, w Window) ([]string, error) {
	var values []string
	parameters := url.Values{"match[]": {selector}, "start": {seconds(w.Start)}, "end": {seconds(w.End)}}
	if err := p.data(ctx, "/api/v1/label/"+url.PathEscape(label)+"/values", parameters, &values); err != nil {
		return nil, fmt.Errorf("values of the label %s of %s: %w", label, selector, err)
	}
	return values, nil
}

// Series returns the labels of at most limit series that match the selector.
func (p *Prometheus) Series(ctx context.Context, selector string, w Window, limit int) ([]map[string]string, error) {
	var all []map[string]string
	parameters := url.Values{"match[]": {selector}, "start": {seconds(w.Start)}, "end": {seconds(w.End)}, "limit": {strconv.Itoa(limit)}}
	if err := p.data(ctx, "/api/v1/series", parameters, &all); err != nil {
		return nil, fmt.Errorf("series of %s: %w", selector, err)
	}
	return all, nil
}
