package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"throughline/internal/backend"
)

// expected is a span that a trace must have, with the spans below it. Service,
// name and kind together occur once in a tree.
type expected struct {
	service  string
	name     string
	kind     backend.Kind
	children []expected
}

// loginTree is the trace of one login.
var loginTree = expected{"login-api", "POST /v1/login", backend.Server, []expected{
	{"login-api", "user.User/GetUserByMobile", backend.Client, []expected{
		{"user-rpc", "user.User/GetUserByMobile", backend.Server, []expected{
			{"user-rpc", "sql", backend.Client, nil},
		}},
	}},
	{"login-api", "local", backend.Internal, nil},
	{"login-api", "send user.events:user.logged_in", backend.Producer, []expected{consumed}},
}}

// consumed is what audit-mq makes of a message, whichever way its context came.
var consumed = expected{"audit-mq", "process user.events:user.logged_in:user.events.audit", backend.Consumer, []expected{
	{"audit-mq", "sql", backend.Client, nil},
}}

// size is the number of spans in the tree.
func (e expected) size() int {
	n := 1
	for _, child := range e.children {
		n += child.size()
	}
	return n
}

// LoginSpans is the number of spans that the trace of a login must have.
var LoginSpans = loginTree.size()

// MissingFromLogin returns the service of each span that the trace of a login
// must have and this one lacks.
func MissingFromLogin(trace backend.Trace) []string {
	type span struct {
		service, name string
		kind          backend.Kind
	}
	held := map[span]bool{}
	for _, s := range trace.Spans {
		held[span{s.Service, s.Name, s.Kind}] = true
	}
	var missing []string
	var walk func(expected)
	walk = func(e expected) {
		if !held[span{e.service, e.name, e.kind}] {
			missing = append(missing, e.service)
		}
		for _, child := range e.children {
			walk(child)
		}
	}
	walk(loginTree)
	return missing
}

func (e expected) String() string { return fmt.Sprintf("%s %q %s", e.service, e.name, e.kind) }

// describe names a span for a person.
func describe(s backend.Span) string { return fmt.Sprintf("span %q of %s", s.Name, s.Service) }

// mismatches compares a trace with the tree, span by span and parent by
// parent, and returns a sentence for each difference.
func mismatches(tree expected, trace backend.Trace) []string {
	byID := map[string]backend.Span{}
	for _, s := range trace.Spans {
		byID[s.SpanID] = s
	}
	var found []string
	matched := map[string]bool{} // by span id
	var walk func(e expected, parent *expected, parentSpan *backend.Span)
	walk = func(e expected, parent *expected, parentSpan *backend.Span) {
		var span *backend.Span
		for i := range trace.Spans {
			s := &trace.Spans[i]
			if s.Service == e.service && s.Name == e.name && s.Kind == e.kind && !matched[s.SpanID] {
				// Of several like it, the one in the right place is the one meant.
				if span == nil || parentSpan != nil && s.ParentID == parentSpan.SpanID {
					span = s
				}
			}
		}
		switch {
		case span == nil && parent == nil:
			found = append(found, fmt.Sprintf("span %q of %s (%s) is missing; expected it as the root", e.name, e.service, e.kind))
		case span == nil && parentSpan != nil: // below a span that is missing itself, nothing more is told
			found = append(found, fmt.Sprintf("span %q of %s (%s) is missing; expected it below %s: the context was lost on the way, or the span was not exported", e.name, e.service, e.kind, *parent))
		case span != nil:
			matched[span.SpanID] = true
			if m := wrongParent(*span, parent, parentSpan, byID); m != "" {
				found = append(found, m)
			}
		}
		for i := range e.children {
			walk(e.children[i], &e, span)
		}
	}
	walk(tree, nil, nil)
	for _, s := range trace.Spans {
		if !matched[s.SpanID] {
			found = append(found, fmt.Sprintf("%s (%s) is not expected; found it below %s", describe(s), s.Kind, parentOf(s, byID)))
		}
	}
	return found
}

func wrongParent(span backend.Span, parent *expected, parentSpan *backend.Span, byID map[string]backend.Span) string {
	switch {
	case parent == nil && span.ParentID == "":
		return ""
	case parent == nil:
		return fmt.Sprintf("%s has the parent %s; expected it to be the root", describe(span), parentOf(span, byID))
	case parentSpan != nil && span.ParentID == parentSpan.SpanID:
		return ""
	case span.ParentID == "":
		return fmt.Sprintf("%s has no parent; expected %s %s", describe(span), parent.service, parent.name)
	default:
		return fmt.Sprintf("%s has the parent %s; expected %s %s", describe(span), parentOf(span, byID), parent.service, parent.name)
	}
}

func parentOf(s backend.Span, byID map[string]backend.Span) string {
	if s.ParentID == "" {
		return "none"
	}
	if parent, ok := byID[s.ParentID]; ok {
		return parent.Service + " " + parent.Name
	}
	return s.ParentID + ", which is not in the trace"
}

// checkTree compares every login's trace in every store with loginTree.
func (r *run) checkTree(ctx context.Context) Check {
	if len(r.logins) == 0 {
		return failed("%v", errNoTrace)
	}
	var wrong []string
	good := 0
	for _, login := range r.logins {
		var found []string
		in := map[string][]string{} // stores by mismatch, to tell each but once
		for i, trace := range login.traces {
			for _, m := range mismatches(loginTree, trace) {
				if in[m] == nil {
					found = append(found, m)
				}
				in[m] = append(in[m], r.stores[i].Name())
			}
		}
		if len(found) == 0 {
			good++
		}
		for _, m := range found {
			wrong = append(wrong, fmt.Sprintf("trace %s in %s: %s", login.TraceID, strings.Join(in[m], " and "), m))
		}
		if len(found) > 0 && len(wrong) == len(found) { // the first: a search for each would take long
			wrong = append(wrong, r.strays(ctx, login.traces)...)
		}
	}
	check := Check{OK: len(wrong) == 0, Value: float64(good), Unit: "traces"}
	check.Detail = fmt.Sprintf("%d of %d traces have the %d expected spans, each below the expected parent", good, len(r.logins), loginTree.size())
	if !check.OK {
		check.Detail += "; " + firstOf(wrong)
	}
	return check
}

// strays looks for what became of a message whose consumer span is not in the
// trace: the span has the same message id, but belongs to another trace when
// the context was lost on the way.
func (r *run) strays(ctx context.Context, traces []backend.Trace) []string {
	tempo := backend.NewTempo(r.target.TempoURL)
	recent := backend.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Minute)}
	for _, producer := range fullest(traces).Spans {
		messageID, ok := producer.Attributes["messaging.message.id"].(string)
		if producer.Kind != backend.Producer || !ok {
			continue
		}
		ids, err := tempo.SearchIn(ctx, fmt.Sprintf("{ kind = consumer && span.messaging.message.id = %q }", messageID), recent, 1)
		if err != nil || len(ids) == 0 || ids[0] == producer.TraceID {
			continue
		}
		stray, err := tempo.Trace(ctx, ids[0])
		if err != nil {
			continue
		}
		for _, s := range stray.Spans {
			if s.Attributes["messaging.message.id"] == messageID && s.ParentID == "" {
				return []string{fmt.Sprintf("that message's %s has no parent, in a trace of its own, %s; expected %s %s",
					describe(s), s.TraceID, producer.Service, producer.Name)}
			}
		}
	}
	return nil
}
