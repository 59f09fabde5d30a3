// Package otlpload makes traces of logins as the services hand them to the
// collector, and sends them with a client that drops nothing in silence.
package otlpload

import (
	"embed"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Kind is what became of a login.
type Kind int

// The kinds of logins.
const (
	OK           Kind = iota
	Failed            // user-rpc was away: error status from the server's span down
	Slow              // the root lasts longer than 2 s
	DeadLettered      // audit-mq gives the message up and sends it to user.events.audit.dead
)

// slowRoot is how long the root of a Slow trace lasts.
const slowRoot = 2500 * time.Millisecond

// recordings hold what the services of a running stack sent for one login each.
//
//go:embed *.otlp.json
var recordings embed.FS

var templates = map[Kind]ptrace.Traces{
	OK:           recorded("login.otlp.json"),
	Failed:       recorded("failed.otlp.json"),
	Slow:         stretched(recorded("login.otlp.json"), slowRoot),
	DeadLettered: recorded("dead-lettered.otlp.json"),
}

// Trace returns the spans of one login with ids of their own, the last of which
// ends now, grouped by the services that send them. Names and attributes are
// those that go-zero and otelamqp emit, before the collector sees them.
func Trace(kind Kind) (id string, traces ptrace.Traces) {
	template, ok := templates[kind]
	if !ok {
		panic(fmt.Sprintf("otlpload: there is no kind %d of trace", kind))
	}
	traces = ptrace.NewTraces()
	template.CopyTo(traces)

	var traceID pcommon.TraceID
	binary.NativeEndian.PutUint64(traceID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(traceID[8:], rand.Uint64()|1) // an id of zeros is none
	spanIDs := rand.Uint64()
	messageID := uuid.UUID(traceID).String()
	_, last := bounds(traces)
	later := uint64(time.Now().UnixNano()) - uint64(last)

	for span := range spans(traces) {
		span.SetTraceID(traceID)
		span.SetSpanID(renewed(span.SpanID(), spanIDs))
		span.SetParentSpanID(renewed(span.ParentSpanID(), spanIDs))
		if value, ok := span.Attributes().Get("messaging.message.id"); ok {
			value.SetStr(messageID)
		}
		move(span, func(t pcommon.Timestamp) pcommon.Timestamp { return t + pcommon.Timestamp(later) })
	}
	return traceID.String(), traces
}

// Batch moves the spans of all traces into one request, those of a service
// together, as an SDK sends them. The traces are empty afterwards.
func Batch(traces ...ptrace.Traces) ptrace.Traces {
	batch := ptrace.NewTraces()
	for _, t := range traces {
		for _, from := range t.ResourceSpans().All() {
			moveResource(from, batch.ResourceSpans())
		}
	}
	return batch
}

func moveResource(from ptrace.ResourceSpans, all ptrace.ResourceSpansSlice) {
	for _, to := range all.All() {
		if !to.Resource().Attributes().Equal(from.Resource().Attributes()) {
			continue
		}
		for _, scope := range from.ScopeSpans().All() {
			moveScope(scope, to.ScopeSpans())
		}
		return
	}
	from.MoveTo(all.AppendEmpty())
}

func moveScope(from ptrace.ScopeSpans, all ptrace.ScopeSpansSlice) {
	for _, to := range all.All() {
		if to.Scope().Name() == from.Scope().Name() {
			from.Spans().MoveAndAppendTo(to.Spans())
			return
		}
	}
	from.MoveTo(all.AppendEmpty())
}

// renewed gives each span id of a recording another, the same each time within
// one trace. No span stays none.
func renewed(id pcommon.SpanID, key uint64) pcommon.SpanID {
	if id.IsEmpty() {
		return id
	}
	old := binary.NativeEndian.Uint64(id[:])
	binary.NativeEndian.PutUint64(id[:], old^key)
	if id.IsEmpty() {
		binary.NativeEndian.PutUint64(id[:], key)
	}
	return id
}

func recorded(file string) ptrace.Traces {
	data, err := recordings.ReadFile(file)
	if err != nil {
		panic(err)
	}
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(data)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", file, err))
	}
	return traces
}

// stretched slows everything down until the root lasts so long.
func stretched(traces ptrace.Traces, root time.Duration) ptrace.Traces {
	first, _ := bounds(traces)
	var factor float64
	for span := range spans(traces) {
		if span.ParentSpanID().IsEmpty() {
			factor = float64(root) / float64(span.EndTimestamp()-span.StartTimestamp())
		}
	}
	for span := range spans(traces) {
		move(span, func(t pcommon.Timestamp) pcommon.Timestamp {
			return first + pcommon.Timestamp(float64(t-first)*factor)
		})
	}
	return traces
}

func move(span ptrace.Span, to func(pcommon.Timestamp) pcommon.Timestamp) {
	span.SetStartTimestamp(to(span.StartTimestamp()))
	span.SetEndTimestamp(to(span.EndTimestamp()))
	for _, event := range span.Events().All() {
		event.SetTimestamp(to(event.Timestamp()))
	}
}

// bounds are when the first span begins and the last one ends.
func bounds(traces ptrace.Traces) (first, last pcommon.Timestamp) {
	for span := range spans(traces) {
		if first == 0 || span.StartTimestamp() < first {
			first = span.StartTimestamp()
		}
		last = max(last, span.EndTimestamp())
	}
	return first, last
}

func spans(traces ptrace.Traces) func(yield func(ptrace.Span) bool) {
	return func(yield func(ptrace.Span) bool) {
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					if !yield(span) {
						return
					}
				}
			}
		}
	}
}
