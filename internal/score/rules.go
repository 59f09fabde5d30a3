package score

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
)

// seen is what there is of one service: its spans by trace, in the order of the traces,
// its metrics and its log lines.
type seen struct {
	traces  []backend.Trace // whole
	spans   [][]backend.Span
	metrics metrics
	logs    logs
}

// first returns the first span that offends, and how.
func (s seen) first(offence func(backend.Span) string) (string, string) {
	for _, spans := range s.spans {
		for _, span := range spans {
			if how := offence(span); how != "" {
				return fmt.Sprintf("span %q %s", span.Name, how), span.TraceID
			}
		}
	}
	return "", ""
}

// most returns the first trace with more than most spans that count.
func (s seen) most(most int, what string, counts func(backend.Span) bool) (string, string) {
	for i, spans := range s.spans {
		if n := len(slices.DeleteFunc(slices.Clone(spans), func(span backend.Span) bool { return !counts(span) })); n > most {
			return fmt.Sprintf("%d %s in one trace", n, what), s.traces[i].ID
		}
	}
	return "", ""
}

type rule struct {
	id, impact, title string
	// applies is nil where the rule applies to every service.
	applies func(seen) bool
	// broken returns the first offence and its trace, or nothing.
	broken func(seen) (example, trace string)
}

func missing(key string) func(seen) (string, string) {
	return func(s seen) (string, string) {
		return s.first(func(span backend.Span) string {
			if value, _ := span.Resource[key].(string); value != "" {
				return ""
			}
			return "has a resource without " + key
		})
	}
}

var rules = []rule{
	{id: "RES-001", impact: "normal", title: "service.instance.id is present", broken: missing("service.instance.id")},
	{id: "RES-002", impact: "important", title: "service.instance.id is of one instance only", broken: sharedInstance},
	{id: "RES-003", impact: "important", title: "k8s.pod.uid is present on Kubernetes",
		applies: func(s seen) bool {
			found, _ := s.first(onKubernetes)
			return found != ""
		},
		broken: func(s seen) (string, string) {
			return s.first(func(span backend.Span) string {
				if key := onKubernetes(span); key != "" && span.Resource["k8s.pod.uid"] == nil {
					return "has a resource with " + key + " and without k8s.pod.uid"
				}
				return ""
			})
		}},
	{id: "RES-004", impact: "important", title: "attributes are at the level that the conventions give them", broken: wrongLevel},
	{id: "RES-005", impact: "critical", title: "service.name is present", broken: missing("service.name")},
	{id: "SPA-001", impact: "normal", title: "at most 10 INTERNAL spans of a service in a trace", broken: func(s seen) (string, string) {
		return s.most(10, "INTERNAL spans", func(span backend.Span) bool { return span.Kind == backend.Internal })
	}},
	{id: "SPA-002", impact: "normal", title: "no orphan spans", broken: orphan},
	{id: "SPA-004", impact: "important", title: "no root span is a CLIENT span", broken: func(s seen) (string, string) {
		return s.first(func(span backend.Span) string {
			if span.ParentID == "" && span.Kind == backend.Client {
				return "is a root of kind CLIENT"
			}
			return ""
		})
	}},
	{id: "SPA-005", impact: "important", title: "at most 20 spans shorter than 5 ms in a trace", broken: func(s seen) (string, string) {
		return s.most(20, "spans shorter than 5 ms", func(span backend.Span) bool { return span.End.Sub(span.Start) < 5*time.Millisecond })
	}},
}

// onKubernetes returns an attribute of a resource that says so.
func onKubernetes(span backend.Span) string {
	for _, key := range slices.Sorted(maps.Keys(span.Resource)) {
		if strings.HasPrefix(key, "k8s.") {
			return key
		}
	}
	return ""
}

// sharedInstance finds an instance id of two pods, containers or hosts.
func sharedInstance(s seen) (string, string) {
	where := map[string]string{} // by instance id and key
	return s.first(func(span backend.Span) string {
		id, _ := span.Resource["service.instance.id"].(string)
		if id == "" {
			return ""
		}
		for _, key := range []string{"k8s.pod.uid", "k8s.pod.name", "container.id", "host.name"} {
			value, _ := span.Resource[key].(string)
			if before := where[id+" "+key]; value != "" && before != "" && before != value {
				return fmt.Sprintf("has the service.instance.id %s with the %s %s, and another has it with %s", id, key, value, before)
			}
			where[id+" "+key] = cmp.Or(value, where[id+" "+key])
		}
		return ""
	})
}

// wrongLevel finds attributes that the conventions have in the resource only in a
// span, and those that they have in spans only in a resource.
func wrongLevel(s seen) (string, string) {
	ofResource := []string{"service.name", "service.namespace", "service.version", "service.instance.id", "deployment.environment.name", "telemetry.sdk.", "k8s."}
	ofSpan := []string{"http.", "url.", "db.", "rpc.", "messaging."}
	among := func(attributes backend.Attributes, keys []string) string {
		for _, key := range slices.Sorted(maps.Keys(attributes)) {
			if slices.ContainsFunc(keys, func(k string) bool { return key == k || strings.HasSuffix(k, ".") && strings.HasPrefix(key, k) }) {
				return key
			}
		}
		return ""
	}
	return s.first(func(span backend.Span) string {
		if key := among(span.Attributes, ofResource); key != "" {
			return "has " + key + ", which belongs into the resource"
		}
		if key := among(span.Resource, ofSpan); key != "" {
			return "has a resource with " + key + ", which belongs into spans"
		}
		return ""
	})
}

func orphan(s seen) (string, string) {
	held := map[string]bool{} // by trace and span id
	for _, trace := range s.traces {
		for _, span := range trace.Spans {
			held[trace.ID+span.SpanID] = true
		}
	}
	return s.first(func(span backend.Span) string {
		if span.ParentID == "" || held[span.TraceID+span.ParentID] {
			return ""
		}
		return fmt.Sprintf("has the parent %s, which its trace does not have", span.ParentID)
	})
}
