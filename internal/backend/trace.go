// Package backend holds read-only clients of the trace stores, which all
// answer in one model, so that what two of them hold can be compared.
package backend

import (
	"fmt"
	"slices"
	"time"
)

// Trace is one trace as a store holds it.
type Trace struct {
	// ID is the trace id, 32 lower-case hexadecimal digits.
	ID string `json:"traceId"`
	// Spans are ordered by start time, then by span id.
	Spans []Span `json:"spans"`
}

// Services returns the distinct service names of the trace, sorted.
func (t Trace) Services() []string {
	var names []string
	for _, s := range t.Spans {
		names = append(names, s.Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SpanCount is the number of distinct spans: a store may hold one twice.
func (t Trace) SpanCount() int {
	ids := map[string]bool{}
	for _, span := range t.Spans {
		ids[span.SpanID] = true
	}
	return len(ids)
}

// Span is one operation of a trace.
type Span struct {
	TraceID string `json:"traceId"`
	// SpanID is 16 lower-case hexadecimal digits.
	SpanID string `json:"spanId"`
	// ParentID is the id of the parent span, empty for a root.
	ParentID string `json:"parentId,omitempty"`
	Name     string `json:"name"`
	Kind     Kind   `json:"kind"`
	// Service is the resource's service.name.
	Service string `json:"service"`
	Scope   Scope  `json:"scope"`
	// Start and End have the store's precision, which is the nanosecond.
	Start         time.Time  `json:"start"`
	End           time.Time  `json:"end"`
	StatusCode    StatusCode `json:"statusCode"`
	StatusMessage string     `json:"statusMessage,omitempty"`
	Attributes    Attributes `json:"attributes,omitempty"`
	// Resource holds the attributes of the process that made the span,
	// service.name among them.
	Resource Attributes `json:"resource,omitempty"`
	Events   []Event    `json:"events,omitempty"`
	Links    []Link     `json:"links,omitempty"`
}

// Describe names the span for a person.
func (s Span) Describe() string { return fmt.Sprintf("span %q of %s", s.Name, s.Service) }

// LinksTo tells whether the span has a link to the other.
func (s Span) LinksTo(other Span) bool {
	return slices.ContainsFunc(s.Links, func(l Link) bool { return l.TraceID == other.TraceID && l.SpanID == other.SpanID })
}

// Duration is the time between start and end.
func (s Span) Duration() time.Duration { return s.End.Sub(s.Start) }

// Attributes maps keys to values that keep their OTLP type: string, bool,
// int64, float64, []byte, []any, map[string]any, or nil for the empty value.
type Attributes map[string]any

// Scope is the instrumentation that made a span.
type Scope struct {
	Name       string     `json:"name,omitempty"`
	Version    string     `json:"version,omitempty"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// Event is something that happened during a span.
type Event struct {
	Name       string     `json:"name"`
	Time       time.Time  `json:"time"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// Link points from a span to another one, of this trace or of another.
type Link struct {
	TraceID    string     `json:"traceId"`
	SpanID     string     `json:"spanId"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// Kind is the role of a span.
type Kind string

// The span kinds of OpenTelemetry.
const (
	Unspecified Kind = "UNSPECIFIED"
	Internal    Kind = "INTERNAL"
	Server      Kind = "SERVER"
	Client      Kind = "CLIENT"
	Producer    Kind = "PRODUCER"
	Consumer    Kind = "CONSUMER"
)

// StatusCode tells whether a span's operation succeeded.
type StatusCode string

// The status codes of OpenTelemetry.
const (
	StatusUnset StatusCode = "UNSET"
	StatusOK    StatusCode = "OK"
	StatusError StatusCode = "ERROR"
)
