package flow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
)

// Target is the stack that a flow runs on.
type Target struct {
	Stores      map[string]backend.TraceSearcher // by the name that a file uses
	Loki        *backend.Loki
	Prometheus  *backend.Prometheus
	RabbitMQURL string
	OTLPGRPC    string // the collector's receiver, host:port
	ConsoleURL  string
}

// More kinds of findings: of the run, not of the trace.
const (
	NotTriggered = "trigger"
	NoAnswer     = "store" // from a store
)

// Result is what became of a flow.
type Result struct {
	OK   bool   `json:"ok"`
	Flow string `json:"flow"`
	// TraceID is the first trace, and Link its page in the console.
	TraceID  string        `json:"traceId,omitempty"`
	Link     string        `json:"link,omitempty"`
	Findings []Found       `json:"findings"`
	Stores   []StoreResult `json:"-"`
	took     time.Duration
	flow     Flow
	// What is wrong with each line and each metric of the flow, nil where it is well.
	logs, metrics []*Finding
}

// Found is a finding, with the stores in which it was made.
type Found struct {
	Finding
	Stores []string `json:"stores,omitempty"`
}

// StoreResult is what a store came to hold of a flow.
type StoreResult struct {
	Name   string
	traces []backend.Trace
	Comparison
	err error
}

// pollInterval is the rest between two looks at the same store.
const pollInterval = 250 * time.Millisecond

// Run sets the flow off and waits until each store holds what it must, and at most
// as long as the flow says. What then differs is in the result.
func Run(ctx context.Context, target Target, f Flow) (r Result) {
	began := time.Now()
	deadline := began.Add(time.Duration(f.Within))
	r = Result{Flow: f.Name, Findings: []Found{}, flow: f}
	defer func() { r.took = time.Since(began) }()
	ids, err := setOff(ctx, deadline, target, f)
	if err != nil {
		r.Findings = append(r.Findings, Found{Finding: Finding{Kind: NotTriggered, Message: err.Error()}})
		return r
	}
	since := began
	if find := f.Trigger.Find; find != nil {
		found, err := search(ctx, deadline, target.Stores[f.Stores[0]], *find, f.Trigger, began)
		if err != nil {
			r.Findings = append(r.Findings, Found{Finding: Finding{Kind: NoTrace, Message: err.Error()}})
			return r
		}
		ids = []string{found.ID}
		if f.Trigger.HTTP == nil && f.Trigger.Message == nil {
			since = found.Spans[0].Start
		}
	}
	if len(ids) == 0 {
		r.Findings = append(r.Findings, Found{Finding: Finding{Kind: NoTrace, Message: "no span of a message was exported; is the collector up?"}})
		return r
	}
	r.TraceID, r.Link = ids[0], target.ConsoleURL+"/trace/"+ids[0]

	var group sync.WaitGroup
	r.Stores = make([]StoreResult, len(f.Stores))
	for i, name := range f.Stores {
		group.Go(func() { r.Stores[i] = wait(ctx, deadline, target.Stores[name], f, ids, since) })
	}
	group.Wait()
	r.Findings = append(r.Findings, joined(r.Stores)...)
	check := func(f Finding, do func() error) *Finding {
		err := until(ctx, deadline, do)
		if err == nil {
			return nil
		}
		f.Message = err.Error()
		r.Findings = append(r.Findings, Found{Finding: f})
		return &f
	}
	for _, log := range f.Logs {
		r.logs = append(r.logs, check(Finding{Kind: NoLog, Service: log.Service, Span: log.Span}, func() error {
			return hasLine(ctx, target.Loki, log, r.Stores, ids, since)
		}))
	}
	for _, metric := range f.Metrics {
		r.metrics = append(r.metrics, check(Finding{Kind: NoMetric}, func() error {
			return moves(ctx, target.Prometheus, metric, since)
		}))
	}
	r.OK = len(r.Findings) == 0
	return r
}

// joined are the findings of all stores, each once.
func joined(stores []StoreResult) []Found {
	var all []Found
	for _, s := range stores {
		findings := s.Findings
		if s.err != nil {
			findings = []Finding{{Kind: NoAnswer, Message: s.err.Error()}}
		}
		for _, f := range findings {
			if i := slices.IndexFunc(all, func(have Found) bool { return have.Message == f.Message }); i >= 0 {
				if !slices.Contains(all[i].Stores, s.Name) {
					all[i].Stores = append(all[i].Stores, s.Name)
				}
				continue
			}
			all = append(all, Found{f, []string{s.Name}})
		}
	}
	return all
}

// wait looks at a store until it holds the flow, or until the deadline, and returns
// what it saw last.
func wait(ctx context.Context, deadline time.Time, store backend.TraceSearcher, f Flow, ids []string, since time.Time) StoreResult {
	result := StoreResult{Name: store.Name()}
	_ = until(ctx, deadline, func() error {
		if result.traces, result.err = load(ctx, store, f, ids, since); result.err != nil {
			return result.err
		}
		result.Comparison = Compare(f.Spans, f.Others, result.traces...)
		if len(result.Findings) > 0 {
			return errors.New(result.Findings[0].Message)
		}
		return nil
	})
	return result
}

// load reads the traces of a flow, with those that are linked to them.
func load(ctx context.Context, store backend.TraceSearcher, f Flow, ids []string, since time.Time) ([]backend.Trace, error) {
	traces := make([]backend.Trace, len(ids))
	var group errgroup.Group
	group.SetLimit(8)
	for i, traceID := range ids {
		group.Go(func() error {
			trace, err := store.Trace(ctx, traceID)
			if errors.Is(err, backend.ErrNotFound) {
				return nil
			}
			traces[i] = trace
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	spans := map[id]bool{}
	note := func(trace backend.Trace) {
		for _, s := range trace.Spans {
			spans[id{s.TraceID, s.SpanID}] = true
		}
	}
	for _, trace := range traces {
		note(trace)
	}
	// A store does not find a span by its links, so those of its name are looked at.
	for _, w := range linked(f.Spans) {
		found, err := store.Search(ctx, backend.TraceQuery{Service: w.Service, Operation: w.Name, Limit: maxLinked,
			Window: backend.Window{Start: since.Add(-time.Second), End: time.Now().Add(time.Minute)}})
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			if slices.ContainsFunc(traces, func(t backend.Trace) bool { return t.ID == one.ID }) {
				continue
			}
			trace, err := store.Trace(ctx, one.ID)
			if err != nil && !errors.Is(err, backend.ErrNotFound) {
				return nil, err
			}
			if slices.ContainsFunc(trace.Spans, func(s backend.Span) bool {
				return slices.ContainsFunc(s.Links, func(l backend.Link) bool { return spans[id{l.TraceID, l.SpanID}] })
			}) {
				traces = append(traces, trace)
				note(trace)
			}
		}
	}
	return traces, nil
}

// maxLinked is how many traces of a name are looked at for a link.
const maxLinked = 200

// linked are the spans of the tree that are linked to the one above, from the top.
func linked(spans []Span) []Span {
	var all []Span
	for _, s := range spans {
		all = append(all, s.Linked...)
		all = append(all, linked(s.Children)...)
		all = append(all, linked(s.Linked)...)
	}
	return all
}

// search waits for a trace that find describes and returns the newest.
func search(ctx context.Context, deadline time.Time, store backend.TraceSearcher, find Find, trigger Trigger, began time.Time) (backend.Trace, error) {
	query := backend.TraceQuery{Service: find.Service, Operation: find.Span, Attribute: find.Attribute, Value: find.Value, Limit: 20}
	start := began.Add(-time.Duration(find.Last))
	if trigger.HTTP != nil || trigger.Message != nil {
		start = began
	}
	var newest backend.Trace
	err := until(ctx, deadline, func() error {
		query.Window = backend.Window{Start: start.Add(-time.Second), End: time.Now().Add(time.Minute)}
		found, err := store.Search(ctx, query)
		if err != nil {
			return err
		}
		for _, one := range found {
			trace, err := store.Trace(ctx, one.ID)
			if err != nil {
				return err
			}
			if len(trace.Spans) > 0 && (newest.ID == "" || trace.Spans[0].Start.After(newest.Spans[0].Start)) {
				newest = trace
			}
		}
		if newest.ID == "" {
			return fmt.Errorf("no trace since %s is found in %s by %s: did it run, and is it sampled?", start.UTC().Format(time.RFC3339), store.Name(), store.Phrase(query))
		}
		return nil
	})
	return newest, err
}

// hasLine looks for a line with the trace id of the flow and the id of a span of it.
func hasLine(ctx context.Context, loki *backend.Loki, log Log, stores []StoreResult, ids []string, since time.Time) error {
	query := fmt.Sprintf(`{service_name=%q} |= %q | trace_id=~%q`, log.Service, log.Text, strings.Join(ids, "|"))
	lines, err := loki.Lines(ctx, query, backend.Window{Start: since.Add(-time.Minute), End: time.Now().Add(time.Minute)}, 1000)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("no %s has the trace id: is it logged within the request's context, and by OTLP?", log.what())
	}
	where := "no span of the trace"
	if log.Span != "" {
		where = fmt.Sprintf("not that of span %q", log.Span)
	}
	for _, line := range lines {
		for _, store := range stores {
			for _, trace := range store.traces {
				for _, s := range trace.Spans {
					if s.SpanID == line.Labels["span_id"] && (log.Span == "" || log.Span == s.Name) {
						return nil
					}
				}
			}
		}
	}
	return fmt.Errorf("the %s has the span id %q, which is %s", log.what(), lines[0].Labels["span_id"], where)
}

// what names the line for a person.
func (l Log) what() string {
	if l.Text == "" {
		return "line of " + l.Service
	}
	return fmt.Sprintf("line of %s with %q", l.Service, l.Text)
}

// moves returns an error unless one of the series is higher now than it was before the
// flow. Their sum would not do: that of an instance that is gone ends meanwhile.
func moves(ctx context.Context, prometheus *backend.Prometheus, selector string, since time.Time) error {
	before, err := prometheus.Query(ctx, selector, since)
	if err != nil {
		return err
	}
	now, err := prometheus.Query(ctx, selector, time.Now())
	if err != nil {
		return err
	}
	for _, s := range now {
		then := 0.0
		if i := slices.IndexFunc(before, func(b backend.Series) bool { return maps.Equal(b.Labels, s.Labels) }); i >= 0 {
			then = before[i].Points[0].Value
		}
		if s.Points[0].Value > then {
			return nil
		}
	}
	return fmt.Errorf("the metric %s has not moved: of its %d series none is higher than before", selector, len(now))
}

// until tries do until it succeeds and returns its last error at the deadline. It has
// one try at least: what came before may have taken all the time.
func until(ctx context.Context, deadline time.Time, do func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := do()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}
