package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Window is the stretch of time that a query is about.
type Window struct {
	Start, End time.Time
}

// Last is the window of the given length that ends now.
func Last(length time.Duration) Window {
	now := time.Now()
	return Window{Start: now.Add(-length), End: now}
}

// Series is one line of a graph.
type Series struct {
	// Labels tell this series from the others of the same answer.
	Labels map[string]string
	// Points are ordered by time. A value may be NaN, as in 0/0.
	Points []Point
}

// Point is one value of a series.
type Point struct {
	Time  time.Time
	Value float64
}

// queryRange asks for a series of values: Prometheus and Loki answer alike.
func (e endpoint) queryRange(ctx context.Context, path, query string, w Window, step time.Duration) ([]Series, error) {
	parameters := url.Values{
		"query": {query},
		"start": {seconds(w.Start)},
		"end":   {seconds(w.End)},
		"step":  {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}
	var answer struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Values []point
		}
	}
	if err := e.data(ctx, path, parameters, &answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	if answer.ResultType != "matrix" {
		return nil, fmt.Errorf("query %s: %s at %s answers with a %s instead of series; give an expression that yields numbers over time", query, e.name, e.url, answer.ResultType)
	}
	var all []Series
	for _, result := range answer.Result {
		one := Series{Labels: result.Metric}
		for _, p := range result.Values {
			one.Points = append(one.Points, Point(p))
		}
		all = append(all, one)
	}
	return all, nil
}

// data reads the data field of an answer of Prometheus' kind.
func (e endpoint) data(ctx context.Context, path string, parameters url.Values, data any) error {
	body, err := e.get(ctx, path+"?"+parameters.Encode(), "application/json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, &struct{ Data any }{data}); err != nil {
		return fmt.Errorf("%s at %s answers in a form not known here: %w; is the address that of %s?", e.name, e.url, err, e.name)
	}
	return nil
}

// point decodes [<seconds>, "<value>"].
type point Point

func (p *point) UnmarshalJSON(text []byte) error {
	var when float64
	var value string
	pair := [...]any{&when, &value}
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("value %q: %w", value, err)
	}
	*p = point{Time: time.UnixMilli(int64(when * 1000)), Value: number}
	return nil
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}
