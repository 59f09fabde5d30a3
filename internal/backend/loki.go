package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Loki reads from the HTTP API of Grafana Loki.
type Loki struct{ endpoint }

// NewLoki returns a client of the Loki that answers at url, for example
// http://127.0.0.1:10080.
func NewLoki(url string) *Loki {
	return &Loki{newEndpoint("Loki", strings.TrimRight(url, "/"))}
}

// Name is "Loki".
func (l *Loki) Name() string { return l.name }

// LogLine is one log record.
type LogLine struct {
	Time time.Time
	// Text is the record's body.
	Text string
	// Labels are those of its stream and its structured metadata, for example
	// service_name, trace_id and severity_text.
	Labels map[string]string
}

// Lines returns at most limit lines that match the LogQL query, newest first,
// for example {service_name="audit-mq"} | trace_id="…".
func (l *Loki) Lines(ctx context.Context, logQL string, w Window, limit int) ([]LogLine, error) {
	parameters := url.Values{
		"query":     {logQL},
		"start":     {strconv.FormatInt(w.Start.UnixNano(), 10)},
		"end":       {strconv.FormatInt(w.End.UnixNano(), 10)},
		"limit":     {strconv.Itoa(limit)},
		"direction": {"backward"},
	}
	var answer struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := l.data(ctx, "/loki/api/v1/query_range", parameters, &answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", logQL, err)
	}
	if answer.ResultType != "streams" {
		return nil, fmt.Errorf("query %s: Loki at %s answers with a %s instead of lines; give an expression that selects lines", logQL, l.url, answer.ResultType)
	}
	var streams []struct {
		Stream map[string]string
		Values [][2]string
	}
	if err := json.Unmarshal(answer.Result, &streams); err != nil {
		return nil, fmt.Errorf("query %s: Loki at %s answers in a form not known here: %w; is it version 3?", logQL, l.url, err)
	}
	var lines []LogLine
	for _, stream := range streams {
		for _, entry := range stream.Values {
			nanoseconds, err := strconv.ParseInt(entry[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("query %s: time %q of a line from Loki at %s: %w", logQL, entry[0], l.url, err)
			}
			lines = append(lines, LogLine{Time: time.Unix(0, nanoseconds), Text: entry[1], Labels: stream.Stream})
		}
	}
	slices.SortStableFunc(lines, func(a, b LogLine) int { return b.Time.Compare(a.Time) })
	return lines, nil
}

// QueryRange returns the series of a LogQL expression that counts or measures,
// with a value at each step of the window.
func (l *Loki) QueryRange(ctx context.Context, logQL string, w Window, step time.Duration) ([]Series, error) {
	return l.queryRange(ctx, "/loki/api/v1/query_range", logQL, w, step)
}
