package backend

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// fromOTLP flattens OTLP's resource and scope groups into the model.
func fromOTLP(id string, traces ptrace.Traces) Trace {
	trace := Trace{ID: id}
	for _, resourceSpans := range traces.ResourceSpans().All() {
		resource := attributes(resourceSpans.Resource().Attributes())
		service, _ := resource["service.name"].(string)
		for _, scopeSpans := range resourceSpans.ScopeSpans().All() {
			scope := Scope{
				Name:       scopeSpans.Scope().Name(),
				Version:    scopeSpans.Scope().Version(),
				Attributes: attributes(scopeSpans.Scope().Attributes()),
			}
			for _, s := range scopeSpans.Spans().All() {
				trace.Spans = append(trace.Spans, Span{
					TraceID:       s.TraceID().String(),
					SpanID:        s.SpanID().String(),
					ParentID:      s.ParentSpanID().String(),
					Name:          s.Name(),
					Kind:          Kind(strings.ToUpper(s.Kind().String())),
					Service:       service,
					Scope:         scope,
					Start:         s.StartTimestamp().AsTime(),
					End:           s.EndTimestamp().AsTime(),
					StatusCode:    StatusCode(strings.ToUpper(s.Status().Code().String())),
					StatusMessage: s.Status().Message(),
					Attributes:    attributes(s.Attributes()),
					Resource:      resource,
					Events:        events(s.Events()),
					Links:         links(s.Links()),
				})
			}
		}
	}
	slices.SortFunc(trace.Spans, func(a, b Span) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.SpanID, b.SpanID))
	})
	return trace
}

// attributes is nil for no attributes, so that equal spans compare equal.
func attributes(m pcommon.Map) Attributes {
	if m.Len() == 0 {
		return nil
	}
	return m.AsRaw()
}

// events are ordered by time: stores do not promise to keep the order of arrival.
func events(slice ptrace.SpanEventSlice) []Event {
	var out []Event
	for _, e := range slice.All() {
		out = append(out, Event{Name: e.Name(), Time: e.Timestamp().AsTime(), Attributes: attributes(e.Attributes())})
	}
	slices.SortStableFunc(out, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func links(slice ptrace.SpanLinkSlice) []Link {
	var out []Link
	for _, l := range slice.All() {
		out = append(out, Link{TraceID: l.TraceID().String(), SpanID: l.SpanID().String(), Attributes: attributes(l.Attributes())})
	}
	slices.SortStableFunc(out, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.TraceID, b.TraceID), cmp.Compare(a.SpanID, b.SpanID))
	})
	return out
}
