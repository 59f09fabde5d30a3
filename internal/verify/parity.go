package verify

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"throughline/internal/backend"
)

// Differences compares what two stores hold of one trace, everything of every
// span and how often each is there, and returns a sentence for each difference.
func Differences(aName string, a backend.Trace, bName string, b backend.Trace) []string {
	var found []string
	inA, inB := spansByID(a), spansByID(b)
	compared := map[string]bool{}
	for _, s := range slices.Concat(a.Spans, b.Spans) {
		if compared[s.SpanID] {
			continue
		}
		compared[s.SpanID] = true
		ofA, ofB := inA[s.SpanID], inB[s.SpanID]
		name := fmt.Sprintf("%s (%s)", s.Describe(), s.SpanID)
		switch {
		case len(ofB) == 0:
			found = append(found, fmt.Sprintf("%s is in %s only", name, aName))
		case len(ofA) == 0:
			found = append(found, fmt.Sprintf("%s is in %s only", name, bName))
		case len(ofA) != len(ofB):
			found = append(found, fmt.Sprintf("%s is in %s %s, in %s %s", name, aName, times(len(ofA)), bName, times(len(ofB))))
		}
		for i := range min(len(ofA), len(ofB)) {
			for _, d := range spanDifferences(ofA[i], ofB[i]) {
				found = append(found, fmt.Sprintf("%s: %s is %s in %s and %s in %s", name, d.field, d.a, aName, d.b, bName))
			}
		}
	}
	return found
}

// spansByID groups the spans, for a store may hold one of them twice.
func spansByID(trace backend.Trace) map[string][]backend.Span {
	spans := map[string][]backend.Span{}
	for _, s := range trace.Spans {
		spans[s.SpanID] = append(spans[s.SpanID], s)
	}
	return spans
}

func times(n int) string {
	if n == 1 {
		return "1 time"
	}
	return fmt.Sprintf("%d times", n)
}

// difference is a field that two spans do not share, with both values.
type difference struct{ field, a, b string }

func spanDifferences(a, b backend.Span) []difference {
	var found []difference
	add := func(field string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			found = append(found, difference{field, show(a), show(b)})
		}
	}
	attributes := func(field string, a, b backend.Attributes) {
		all := maps.Clone(a)
		if all == nil {
			all = backend.Attributes{}
		}
		maps.Copy(all, b)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			inA, okA := a[key]
			inB, okB := b[key]
			switch {
			case !okA:
				found = append(found, difference{field + " " + key, "absent", show(inB)})
			case !okB:
				found = append(found, difference{field + " " + key, show(inA), "absent"})
			default:
				add(field+" "+key, inA, inB)
			}
		}
	}
	add("trace id", a.TraceID, b.TraceID)
	add("parent", a.ParentID, b.ParentID)
	add("name", a.Name, b.Name)
	add("kind", a.Kind, b.Kind)
	add("service", a.Service, b.Service)
	add("start", a.Start, b.Start)
	add("end", a.End, b.End)
	add("status", a.StatusCode, b.StatusCode)
	add("status message", a.StatusMessage, b.StatusMessage)
	attributes("attribute", a.Attributes, b.Attributes)
	attributes("resource attribute", a.Resource, b.Resource)
	add("scope", a.Scope.Name, b.Scope.Name)
	add("scope version", a.Scope.Version, b.Scope.Version)
	attributes("scope attribute", a.Scope.Attributes, b.Scope.Attributes)
	add("number of events", len(a.Events), len(b.Events))
	for i := range min(len(a.Events), len(b.Events)) {
		field := fmt.Sprintf("event %d's ", i+1)
		add(field+"name", a.Events[i].Name, b.Events[i].Name)
		add(field+"time", a.Events[i].Time, b.Events[i].Time)
		attributes(field+"attribute", a.Events[i].Attributes, b.Events[i].Attributes)
	}
	add("number of links", len(a.Links), len(b.Links))
	for i := range min(len(a.Links), len(b.Links)) {
		field := fmt.Sprintf("link %d's ", i+1)
		add(field+"trace id", a.Links[i].TraceID, b.Links[i].TraceID)
		add(field+"span id", a.Links[i].SpanID, b.Links[i].SpanID)
		attributes(field+"attribute", a.Links[i].Attributes, b.Links[i].Attributes)
	}
	return found
}

// show writes a value with its type where the type is not plain to see.
func show(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case backend.Kind, backend.StatusCode, int:
		return fmt.Sprint(v)
	default:
		return fmt.Sprintf("%v (%T)", v, v)
	}
}

// checkParity compares the two stores' traces of every login.
func (r *run) checkParity(context.Context) Check {
	if len(r.logins) == 0 {
		return failed("%v", errNoTrace)
	}
	var found []string
	spans, same := 0, 0
	for _, login := range r.logins {
		spans += len(login.traces[0].Spans)
		different := Differences(r.stores[0].Name(), login.traces[0], r.stores[1].Name(), login.traces[1])
		if len(different) == 0 && len(login.traces[0].Spans) > 0 {
			same++
		}
		for _, d := range different {
			found = append(found, fmt.Sprintf("trace %s: %s", login.TraceID, d))
		}
	}
	check := Check{OK: same == len(r.logins), Value: float64(same), Unit: "traces"}
	check.Detail = fmt.Sprintf("%s hold the same of %d of %d traces, %d spans compared", r.storeNames(), same, len(r.logins), spans)
	if len(found) > 0 {
		check.Detail += fmt.Sprintf("; %d differences: %s", len(found), firstOf(found))
	}
	return check
}
