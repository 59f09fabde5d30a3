package otlpload

import (
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Giant is text of 1 MB whose characters do not end at 2,048 bytes.
var Giant = "x" + strings.Repeat("界", 1<<20/len("界"))

// stuff puts a long text and a long key into attributes.
func stuff(attributes pcommon.Map) {
	attributes.PutStr("text", Giant)
	attributes.PutStr(Giant, "of a long key")
}

// GiantAttributes are attributes whose arrays, maps, bytes and number are too much.
var GiantAttributes = map[string]func(pcommon.Map){
	"text and key": stuff,
	"array":        func(m pcommon.Map) { m.PutEmptySlice("array").AppendEmpty().SetStr(Giant) },
	"long array": func(m pcommon.Map) {
		array := m.PutEmptySlice("array")
		for range 100_000 {
			array.AppendEmpty().SetInt(7)
		}
	},
	"map":   func(m pcommon.Map) { m.PutEmptyMap("map").PutEmptyMap(Giant).PutStr("inner", Giant) },
	"bytes": func(m pcommon.Map) { m.PutEmptyBytes("bytes").FromRaw([]byte(Giant)) },
	"many": func(m pcommon.Map) {
		for i := range 2000 {
			m.PutInt("n"+strings.Repeat("0", i%7)+string(rune('a'+i%26))+time.Duration(i).String(), 1)
		}
	},
}

// GiantTraces returns traces of one span each, with something too long in one place.
// They are of a service of their own: what is said of login-api stays true.
func GiantTraces() map[string]ptrace.Traces {
	all := map[string]ptrace.Traces{}
	span := func(place string, change func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span)) {
		_, traces := Trace(OK)
		resource := traces.ResourceSpans().At(0)
		traces.ResourceSpans().RemoveIf(func(other ptrace.ResourceSpans) bool { return other != resource })
		scope := resource.ScopeSpans().At(0)
		resource.ScopeSpans().RemoveIf(func(other ptrace.ScopeSpans) bool { return other != scope })
		first := scope.Spans().At(0)
		scope.Spans().RemoveIf(func(other ptrace.Span) bool { return other != first })
		resource.Resource().Attributes().PutStr("service.name", "stranger")
		change(resource, scope, first)
		all[place] = traces
	}
	span("span name", func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.SetName(Giant) })
	span("status message", func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
		s.Status().SetCode(ptrace.StatusCodeError)
		s.Status().SetMessage(Giant)
	})
	span("trace state", func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { s.TraceState().FromRaw("a=" + Giant) })
	span("service name", func(r ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) {
		r.Resource().Attributes().PutStr("service.name", Giant)
	})
	span("service name, an array", func(r ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) {
		r.Resource().Attributes().PutEmptySlice("service.name").AppendEmpty().SetStr(Giant)
	})
	span("service.instance.id, an array", func(r ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) {
		r.Resource().Attributes().PutEmptySlice("service.instance.id").AppendEmpty().SetStr(Giant)
	})
	span("scope name", func(_ ptrace.ResourceSpans, scope ptrace.ScopeSpans, _ ptrace.Span) {
		scope.Scope().SetName(Giant)
		scope.Scope().SetVersion(Giant)
	})
	span("event name", func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
		s.Events().AppendEmpty().SetName(Giant)
	})
	for form, stuff := range GiantAttributes {
		span("span attributes, "+form, func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) { stuff(s.Attributes()) })
		span("resource attributes, "+form, func(r ptrace.ResourceSpans, _ ptrace.ScopeSpans, _ ptrace.Span) { stuff(r.Resource().Attributes()) })
		span("scope attributes, "+form, func(_ ptrace.ResourceSpans, scope ptrace.ScopeSpans, _ ptrace.Span) {
			stuff(scope.Scope().Attributes())
		})
		span("event attributes, "+form, func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
			event := s.Events().AppendEmpty()
			event.SetName("exception")
			stuff(event.Attributes())
		})
	}
	return all
}
