package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/semconv"
)

// clocksTolerance is how far the clocks of two hosts may be apart.
const clocksTolerance = 5 * time.Millisecond

// merged is one trace of all the stores.
type merged struct {
	stores []string
	spans  []backend.Span      // by their start
	in     map[string][]string // stores, by span id
}

func merge(held map[string]backend.Trace) merged {
	m := merged{stores: slices.Sorted(maps.Keys(held)), in: map[string][]string{}}
	spans := map[string]backend.Span{}
	for _, store := range m.stores {
		for _, s := range held[store].Spans {
			spans[s.SpanID] = s
			if !slices.Contains(m.in[s.SpanID], store) {
				m.in[s.SpanID] = append(m.in[s.SpanID], store)
			}
		}
	}
	m.spans = slices.SortedFunc(maps.Values(spans), func(a, b backend.Span) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.SpanID, b.SpanID))
	})
	return m
}

// without are the stores that do not hold the span.
func (m merged) without(id string) []string {
	return slices.DeleteFunc(slices.Clone(m.stores), func(store string) bool { return slices.Contains(m.in[id], store) })
}

func (m merged) diagnose() []Symptom {
	var all []Symptom
	spans := map[string]backend.Span{}
	followed := map[string]bool{} // by a consumer: span ids
	for _, s := range m.spans {
		spans[s.SpanID] = s
		if s.Kind == backend.Consumer {
			followed[s.ParentID] = true
			for _, l := range s.Links {
				followed[l.SpanID] = true
			}
		}
	}
	add := func(kind string, s backend.Span, boundary, format string, args ...any) {
		all = append(all, symptomOf(kind, s, boundary, format, args...))
	}
	var root *backend.Span
	for i, s := range m.spans {
		parent, hasParent := spans[s.ParentID]
		switch {
		case s.ParentID != "" && !hasParent:
			add(Orphan, s, "? → "+s.Service, "has the parent %s, which no store has", s.ParentID)
		case s.ParentID != "":
		case s.Kind == backend.Consumer && len(s.Links) == 1:
			to := "a span of trace " + s.Links[0].TraceID
			if linked, ok := spans[s.Links[0].SpanID]; ok {
				to = linked.Describe()
			}
			add(LinkNotChild, s, "? → "+s.Service, "has no parent but a link to %s", to)
		case s.Kind == backend.Consumer && len(s.Links) == 0:
			add(NoProducer, s, "? → "+s.Service, "has neither a parent nor a link")
		}
		if s.ParentID == "" {
			if root != nil && s.Kind != backend.Consumer {
				add(SeveralRoots, s, root.Service+" → "+s.Service, "has no parent, nor has the first, %s", root.Describe())
			}
			if root == nil {
				root = &m.spans[i]
			}
		}
		if s.Kind == backend.Producer && s.StatusCode != backend.StatusError && !followed[s.SpanID] {
			add(EndsAtPublish, s, s.Service+" → ?", "is followed by no consumer in its trace")
		}
		if hasParent && parent.Service != s.Service && parent.Start.Sub(s.Start) > clocksTolerance {
			add(ClocksDisagree, s, parent.Service+" → "+s.Service, "begins %s before the one above it, %s", parent.Start.Sub(s.Start), parent.Describe())
		}
		if in := m.in[s.SpanID]; len(m.stores) > 1 && len(in) == 1 {
			add(OneStoreOnly, s, "otel-collector → the others", "is in %s only, not in %s", in[0], strings.Join(m.without(s.SpanID), " or "))
		}
		if what := limits(s); what != "" {
			add(Cut, s, "", "has %s", what)
		}
		var old []string
		for _, key := range slices.Sorted(maps.Keys(s.Attributes)) {
			if verdict, why := semconv.Judge(key, s.Attributes[key]); verdict == semconv.Deprecated {
				old = append(old, key+", which "+why)
			}
		}
		if len(old) > 0 {
			add(OldConventions, s, "", "has %s", strings.Join(old, "; "))
		}
	}
	return all
}

func symptomOf(kind string, s backend.Span, boundary, format string, args ...any) Symptom {
	return Symptom{Kind: kind, TraceID: s.TraceID, SpanID: s.SpanID, Service: s.Service, Boundary: boundary,
		Message: s.Describe() + " " + fmt.Sprintf(format, args...), Cause: remedies[kind][0], Page: remedies[kind][1], span: s}
}

// limits says which limit a span seems to have met.
func limits(s backend.Span) string {
	const text, character = 2048, 3 // bytes; a cut keeps whole characters
	for _, key := range slices.Sorted(maps.Keys(s.Attributes)) {
		if value, ok := s.Attributes[key].(string); ok && len(value) <= text && len(value) >= text-character {
			return fmt.Sprintf("%d bytes in %s, the most that are kept", len(value), key)
		}
	}
	switch {
	case s.Attributes["limited.attributes"] != nil:
		return "the beginning of its attributes in limited.attributes, as they were over 32 KiB"
	case len(s.Attributes) == 128:
		return "128 attributes, the most that are kept"
	case len(s.Events) == 32 || len(s.Events) == 128:
		return fmt.Sprintf("%d events, the most that are kept", len(s.Events))
	case len(s.Links) == 128 || len(s.Links) == 1024:
		return fmt.Sprintf("%d links, the most that are kept", len(s.Links))
	}
	return ""
}
