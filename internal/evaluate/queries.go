package evaluate

import (
	"context"
	"fmt"
	"time"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
)

// queryLimit is how many traces a person asks for.
const queryLimit = 20

// queries fills both trace stores and measures how long they take to answer.
func (l *lab) queries(ctx context.Context) (*result.Queries, error) {
	_, _ = fmt.Fprintf(l.progress, "queries: writing %d traces\n", l.plan.queryTraces)
	stored, err := l.fill(ctx, l.plan.queryTraces)
	if err != nil {
		return nil, fmt.Errorf("fill the trace stores: %w", err)
	}
	_, _ = fmt.Fprintf(l.progress, "queries: %s for the stores to settle\n", l.plan.querySettling)
	pause(ctx, l.plan.querySettling)
	_, _ = fmt.Fprintf(l.progress, "queries: %d of each kind to each store\n", l.plan.queryEach)
	found := &result.Queries{Traces: len(stored.ids), Spans: int(stored.spans)}
	for _, kind := range stored.kinds(l.plan.queryEach) {
		latencies, err := l.measure(ctx, kind)
		if err != nil {
			return nil, err
		}
		found.Results = append(found.Results, latencies...)
	}
	return found, nil
}

// queryKind is one kind of question, asked several times with other parameters,
// so that no cache knows the answer.
type queryKind struct {
	name     string
	ids      []string             // traces to ask for, or
	searches []backend.TraceQuery // what to search for
}

func (w written) kinds(each int) []queryKind {
	nth := func(i int) int { return i * len(w.ids) / each }
	byID := queryKind{name: "by id"}
	for i := range each {
		byID.ids = append(byID.ids, w.ids[nth(i)])
	}
	end := time.Now().Add(time.Minute)
	search := func(name string, refine func(i int, query *backend.TraceQuery)) queryKind {
		kind := queryKind{name: name}
		for i := range each {
			// Tempo knows whole seconds only; slow traces began before they were written.
			start := w.began.Add(-time.Duration(30+i) * time.Second)
			query := backend.TraceQuery{Service: "login-api", Window: backend.Window{Start: start, End: end}, Limit: queryLimit}
			refine(i, &query)
			kind.searches = append(kind.searches, query)
		}
		return kind
	}
	return []queryKind{
		byID,
		search("by service and operation", func(i int, query *backend.TraceQuery) {
			operation := operations[i%len(operations)]
			query.Service, query.Operation = operation[0], operation[1]
		}),
		search("by attribute", func(i int, query *backend.TraceQuery) {
			query.Attribute, query.Value = "messaging.message.id", w.messageIDs[nth(i)]
		}),
		search("by duration", func(i int, query *backend.TraceQuery) {
			query.MinDuration = time.Second + time.Duration(i)*time.Millisecond
		}),
	}
}

// operations of services that every login has.
var operations = [][2]string{
	{"login-api", "POST /v1/login"},
	{"user-rpc", "user.User/GetUserByMobile"},
	{"login-api", "send user.events:user.logged_in"},
	{"audit-mq", "process user.events:user.logged_in:user.events.audit"},
	{"user-rpc", "sql"},
}

// answers say what a search gives, for they are not equally much work.
var answers = map[string]string{
	"Jaeger": "the answer holds every span of each trace",
	"Tempo":  "the answer holds a summary of each trace",
}

// measure asks both stores in turns. That a store cannot answer is in its Note.
func (l *lab) measure(ctx context.Context, kind queryKind) ([]result.QueryLatency, error) {
	stores := []backend.TraceSearcher{l.jaeger, l.tempo}
	found := make([]result.QueryLatency, len(stores))
	milliseconds := make([][]float64, len(stores))
	traces := make([]int, len(stores))
	for i := range max(len(kind.ids), len(kind.searches)) {
		for turn := range stores {
			s := (i + turn) % len(stores)
			if found[s].Note != "" {
				continue
			}
			began := time.Now()
			n, err := kind.ask(ctx, stores[s], i)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				found[s].Note = err.Error()
				continue
			}
			milliseconds[s] = append(milliseconds[s], float64(time.Since(began))/float64(time.Millisecond))
			traces[s] += n
		}
	}
	for s, store := range stores {
		found[s].Kind, found[s].Store, found[s].Query = kind.name, store.Name(), kind.example(store)
		if found[s].Note != "" {
			continue
		}
		found[s].Distribution = distribution(milliseconds[s])
		found[s].Found = float64(traces[s]) / float64(len(milliseconds[s]))
		if kind.searches != nil {
			found[s].Note = answers[store.Name()]
		}
	}
	return found, nil
}

// ask returns how many traces were found. It reads the whole answer.
func (k queryKind) ask(ctx context.Context, store backend.TraceSearcher, i int) (int, error) {
	if k.ids != nil {
		_, err := store.Trace(ctx, k.ids[i])
		return 1, err
	}
	found, err := store.Search(ctx, k.searches[i])
	return len(found), err
}

func (k queryKind) example(store backend.TraceSearcher) string {
	if k.ids != nil {
		return k.ids[0]
	}
	return store.Phrase(k.searches[0])
}
