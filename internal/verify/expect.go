package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/flow"
)

// loginTree is the trace of one login.
var loginTree = flow.Login.Spans

// produced is the span in which a login publishes its message, with what audit-mq
// makes of the message, whichever way its context comes.
var produced = func() flow.Span {
	var found flow.Span
	flow.Walk(loginTree, func(s flow.Span) {
		if backend.Kind(s.Kind) == backend.Producer {
			found = s
		}
	})
	return found
}()

// LoginSpans is the number of spans that the trace of a login must have.
var LoginSpans = flow.Size(loginTree)

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
	flow.Walk(loginTree, func(s flow.Span) {
		if !held[span{s.Service, s.Name, backend.Kind(s.Kind)}] {
			missing = append(missing, s.Service)
		}
	})
	return missing
}

// LoginTraceQL finds in Tempo the traces that have each span of a login. To count
// their spans would take seven and a double for eight.
func LoginTraceQL() string {
	var spans []string
	flow.Walk(loginTree, func(s flow.Span) {
		spans = append(spans, fmt.Sprintf("{ resource.service.name = %q && name = %q && kind = %s }", s.Service, s.Name, strings.ToLower(string(s.Kind))))
	})
	return strings.Join(spans, " && ")
}

// mismatches compares a trace with the tree, span by span and parent by parent, and
// returns a sentence for each difference.
func mismatches(tree []flow.Span, trace backend.Trace) []string {
	var found []string
	for _, f := range flow.Compare(tree, false, trace).Findings {
		found = append(found, f.Message)
	}
	return found
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
	check.Detail = fmt.Sprintf("%d of %d traces have the %d expected spans, each below the expected parent", good, len(r.logins), LoginSpans)
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
					s.Describe(), s.TraceID, producer.Service, producer.Name)}
			}
		}
	}
	return nil
}
