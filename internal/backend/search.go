package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TraceQuery selects the traces of a window that have a span like this. Fields
// that are zero select all.
type TraceQuery struct {
	// Service is the span's service.name. Jaeger looks up an operation or an
	// attribute only within a service.
	Service   string
	Operation string // the span's name
	// Attribute is an attribute of the span, whose value is the text Value.
	Attribute, Value string
	// Failed asks for spans whose status is an error.
	Failed bool
	// MinDuration is the least that the span took.
	MinDuration time.Duration
	Window      Window
	Limit       int // of the traces in the answer
}

// FoundTrace is a trace in the answer to a search.
type FoundTrace struct {
	ID string
	// Spans is how many spans of it the answer speaks of: those that matched in
	// Tempo, all that are stored in Jaeger, whose answers hold whole traces.
	Spans int
}

// TraceSearcher is a store of traces that can be searched.
type TraceSearcher interface {
	TraceStore
	// Search returns traces that match. None is no error.
	Search(ctx context.Context, query TraceQuery) ([]FoundTrace, error)
	// Phrase is the query in the store's own language.
	Phrase(query TraceQuery) string
}

// Search implements TraceSearcher by Jaeger's older HTTP API, which its own web
// page uses: unlike that of version 3, which Trace uses, it can be asked for
// attributes. Jaeger joins the conditions by trace: one span may be long enough
// and another one have the attribute.
func (j *Jaeger) Search(ctx context.Context, query TraceQuery) ([]FoundTrace, error) {
	path := j.Phrase(query)
	body, err := j.get(ctx, path, "application/json")
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", path, err)
	}
	var answer struct {
		Data []struct {
			TraceID string
			Spans   []struct{ SpanID string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("search %s: Jaeger at %s does not answer in JSON: %w; is the address that of Jaeger's query API?", path, j.url, err)
	}
	var found []FoundTrace
	for _, trace := range answer.Data {
		spans := map[string]bool{} // one may be stored twice
		for _, span := range trace.Spans {
			spans[span.SpanID] = true
		}
		found = append(found, FoundTrace{ID: padTraceID(trace.TraceID), Spans: len(spans)})
	}
	return found, nil
}

// Phrase is the path and the parameters of the request.
func (j *Jaeger) Phrase(query TraceQuery) string {
	parameters := url.Values{
		"start": {strconv.FormatInt(query.Window.Start.UnixMicro(), 10)},
		"end":   {strconv.FormatInt(query.Window.End.UnixMicro(), 10)},
		"limit": {strconv.Itoa(query.Limit)},
	}
	if query.Service != "" {
		parameters.Set("service", query.Service)
	}
	if query.Operation != "" {
		parameters.Set("operation", query.Operation)
	}
	tags := map[string]string{}
	if query.Attribute != "" {
		tags[query.Attribute] = query.Value
	}
	if query.Failed {
		tags["error"] = "true" // which Jaeger makes of the status
	}
	if len(tags) > 0 {
		text, _ := json.Marshal(tags) // strings always marshal
		parameters.Set("tags", string(text))
	}
	if query.MinDuration > 0 {
		parameters.Set("minDuration", query.MinDuration.String())
	}
	return "/api/traces?" + parameters.Encode()
}

// Search implements TraceSearcher by TraceQL. The window counts in whole seconds.
func (t *Tempo) Search(ctx context.Context, query TraceQuery) ([]FoundTrace, error) {
	traces, err := t.search(ctx, t.Phrase(query), query.Window, query.Limit)
	var found []FoundTrace
	for _, trace := range traces {
		one := FoundTrace{ID: padTraceID(trace.TraceID)}
		for _, set := range trace.SpanSets {
			one.Spans += set.Matched
		}
		found = append(found, one)
	}
	return found, err
}

// Phrase is the query in TraceQL.
func (t *Tempo) Phrase(query TraceQuery) string {
	var conditions []string
	add := func(format string, values ...any) {
		conditions = append(conditions, fmt.Sprintf(format, values...))
	}
	if query.Service != "" {
		add("resource.service.name = %q", query.Service)
	}
	if query.Operation != "" {
		add("name = %q", query.Operation)
	}
	if query.Attribute != "" {
		add("span.%s = %q", query.Attribute, query.Value)
	}
	if query.Failed {
		add("status = error")
	}
	if query.MinDuration > 0 {
		add("duration >= %s", query.MinDuration)
	}
	return "{ " + strings.Join(conditions, " && ") + " }"
}

// LatestTraces returns the ids of at most limit traces of the service, or of any where it
// is empty, that any of the stores finds. What began in the last ten seconds is left out,
// as it may be under way. Jaeger is not asked for traces of any service, as it cannot be.
func LatestTraces(ctx context.Context, stores []TraceSearcher, service string, last time.Duration, limit int) ([]string, error) {
	const underway = 10 * time.Second
	now := time.Now()
	query := TraceQuery{Service: service, Window: Window{Start: now.Add(-last), End: now.Add(-underway)}, Limit: limit}
	var ids []string
	for _, store := range stores {
		if _, isJaeger := store.(*Jaeger); isJaeger && service == "" {
			continue
		}
		found, err := store.Search(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, trace := range found {
			if !slices.Contains(ids, trace.ID) && len(ids) < limit {
				ids = append(ids, trace.ID)
			}
		}
	}
	return ids, nil
}

// CountSpans returns how many distinct spans of a trace a search finds. Until Tempo joins
// the pieces in which a trace has arrived, a search looks at each alone and
// counts for the whole trace those of the largest piece, unless it groups them.
// It counts to limit.
func (t *Tempo) CountSpans(ctx context.Context, id string, w Window, limit int) (int, error) {
	// It compares the id without its leading zeros, and limits the groups.
	found, err := t.search(ctx, fmt.Sprintf("{ trace:id = %q } | by(span:id)", strings.TrimLeft(id, "0")), w, limit)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return len(found[0].SpanSets), nil
}

// SearchIn returns the ids of at most limit traces of the window that match the
// TraceQL query, for example { resource.service.name = "audit-mq" }.
func (t *Tempo) SearchIn(ctx context.Context, traceQL string, w Window, limit int) ([]string, error) {
	found, err := t.search(ctx, traceQL, w, limit)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, trace := range found {
		ids = append(ids, padTraceID(trace.TraceID))
	}
	return ids, nil
}

// tempoTrace is a trace in Tempo's answer to a search. There is one set of spans,
// or one for each group where the query groups them.
type tempoTrace struct {
	TraceID  string
	SpanSets []struct{ Matched int }
}

func (t *Tempo) search(ctx context.Context, traceQL string, w Window, limit int) ([]tempoTrace, error) {
	query := url.Values{
		"q":     {traceQL},
		"start": {strconv.FormatInt(w.Start.Unix(), 10)},
		"end":   {strconv.FormatInt(w.End.Unix(), 10)},
		"limit": {strconv.Itoa(limit)},
	}
	body, err := t.get(ctx, "/api/search?"+query.Encode(), "application/json")
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", traceQL, err)
	}
	var answer struct{ Traces []tempoTrace }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("search %s: Tempo at %s does not answer in JSON: %w; is the address Tempo's?", traceQL, t.url, err)
	}
	return answer.Traces, nil
}

// padTraceID gives an id the leading zeros that both stores leave out.
func padTraceID(id string) string { return fmt.Sprintf("%032s", id) }
