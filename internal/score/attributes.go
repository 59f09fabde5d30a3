package score

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"throughline/internal/backend"
	"throughline/internal/semconv"
)

// Attribute is an attribute that is not as the semantic conventions have it.
type Attribute struct {
	Key     string          `json:"key"`
	Verdict semconv.Verdict `json:"verdict"`
	// Example and TraceID are the first span that has it.
	Example string `json:"example"`
	TraceID string `json:"traceId"`
}

// attributes compares those of the spans, their events and their resources with the
// registry. Each is told once, by its key.
func (s seen) attributes() (offending []Attribute, custom []string) {
	offending, custom = []Attribute{}, []string{}
	told := map[string]bool{}
	look := func(span backend.Span, where string, attributes backend.Attributes) {
		for _, key := range slices.Sorted(maps.Keys(attributes)) {
			verdict, why := semconv.Judge(key, attributes[key])
			if verdict == semconv.Known || told[key] {
				continue
			}
			told[key] = true
			if verdict == semconv.Custom {
				custom = append(custom, key)
				continue
			}
			offending = append(offending, Attribute{Key: key, Verdict: verdict, TraceID: span.TraceID,
				Example: fmt.Sprintf("span %q has %s%s, which %s", span.Name, where, key, why)})
		}
	}
	for _, spans := range s.spans {
		for _, span := range spans {
			look(span, "", span.Attributes)
			look(span, "a resource with ", span.Resource)
			for _, event := range span.Events {
				look(span, fmt.Sprintf("an event %q with ", event.Name), event.Attributes)
			}
		}
	}
	slices.Sort(custom)
	slices.SortFunc(offending, func(a, b Attribute) int { return strings.Compare(a.Key, b.Key) })
	return offending, custom
}
