package stores

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"throughline/internal/backend"
)

const (
	// searchLimit is how many traces a person asks for.
	searchLimit = 20
	// answerTimeout is how long an answer is waited for.
	answerTimeout = 30 * time.Second
	// before is how long before the first span a window begins: Tempo knows whole
	// seconds only.
	before = 5 * time.Second
	// distinct is how many different questions of a kind there are at most.
	distinct = 50
)

// Kinds of questions, as results.json names them.
const (
	byID         = "by id"
	byIDNotFound = "by id, not found"
	byService    = "by service"
	byOperation  = "by operation"
	byDuration   = "by duration"
	byRare       = "by a rare attribute"
	byCommon     = "by a common attribute"
	byFailure    = "by status error"
	listServices = "list of services"
	listNames    = "list of attributes"
	aggregate    = "spans by service over time"
)

// kind is one kind of question, with different ones of it.
type kind struct {
	name      string
	questions []question
}

// question asks once. check tells afterwards what is wrong with the answer.
type question struct {
	text string
	ask  func(context.Context) (check func() error, err error)
}

func newClient(c Candidate) backend.TraceInventory {
	if c.API == "tempo" {
		tempo := backend.NewTempo(c.Query)
		tempo.SetTimeout(answerTimeout)
		return tempo
	}
	jaeger := backend.NewJaeger(c.Query)
	jaeger.SetTimeout(answerTimeout)
	return jaeger
}

// asker makes questions about what a ledger says was written.
type asker struct {
	store  backend.TraceInventory
	source source
	ledger *ledger
	// shared tells that the store may hold what the ledger does not know.
	shared bool
}

// kinds makes all questions. Whatever else is written later makes them wrong.
func (a asker) kinds() []kind {
	l := a.ledger
	rare, common := a.source.attributes()
	search := func(name string, queries []expected) kind {
		k := kind{name: name}
		for _, query := range queries {
			k.questions = append(k.questions, a.search(query))
		}
		return k
	}
	var services, operations, rares, commons, failures, slow []expected
	for _, service := range popular(l.byService) {
		services = append(services, expected{backend.TraceQuery{Service: service}, l.byService[service]})
	}
	for _, key := range popular(l.byOperation) {
		operations = append(operations, expected{backend.TraceQuery{Service: key[0], Operation: key[1]}, l.byOperation[key]})
	}
	for _, key := range first(l.rare) {
		rares = append(rares, expected{backend.TraceQuery{Service: key[0], Attribute: rare, Value: key[1]}, l.rare[key]})
	}
	for _, key := range popular(l.common) {
		commons = append(commons, expected{backend.TraceQuery{Service: key[0], Attribute: common, Value: key[1]}, l.common[key]})
	}
	for _, service := range popular(l.failed) {
		failures = append(failures, expected{backend.TraceQuery{Service: service, Failed: true}, l.failed[service]})
	}
	for i, one := range l.slow[:min(len(l.slow), distinct)] {
		query := backend.TraceQuery{Service: one.service, MinDuration: one.duration.Truncate(time.Microsecond)}
		least := 0
		for _, other := range l.slow[:i+1] {
			if other.service == one.service {
				least++
			}
		}
		slow = append(slow, expected{query, least})
	}
	return []kind{
		a.byID(), a.notFound(),
		search(byService, services), search(byOperation, operations), search(byDuration, slow), search(byRare, rares),
		search(byCommon, commons), search(byFailure, failures), a.services(), a.names(rare, common), a.aggregate(),
	}
}

// popular are the keys with the most traces.
func popular[K comparable](all map[K]int) []K {
	keys := sorted(all)
	slices.SortStableFunc(keys, func(a, b K) int { return all[b] - all[a] })
	return keys[:min(len(keys), distinct)]
}

// first are some of all keys, the same each time.
func first[K comparable](all map[K]int) []K {
	keys := sorted(all)
	return keys[:min(len(keys), distinct)]
}

func sorted[K comparable](all map[K]int) []K {
	texts := map[K]string{}
	for key := range all {
		texts[key] = fmt.Sprint(key)
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b K) int { return cmp.Compare(texts[a], texts[b]) })
}

// expected is a search and how many traces there are for it, at the least.
type expected struct {
	query backend.TraceQuery
	least int
}

func (a asker) search(e expected) question {
	e.query.Limit = searchLimit
	e.query.Window = backend.Window{Start: a.ledger.began.Add(-before), End: time.Now().Add(time.Minute)}
	return question{text: a.store.Phrase(e.query), ask: func(ctx context.Context) (func() error, error) {
		found, err := a.store.Search(ctx, e.query)
		return func() error { return a.checkFound(e, found) }, err
	}}
}

// checkFound tells of a trace that was not asked for, and of too few.
func (a asker) checkFound(e expected, found []backend.FoundTrace) error {
	seen := map[string]bool{}
	for _, one := range found {
		number, ok := a.ledger.number(one.ID)
		if !ok {
			return fmt.Errorf("trace %s was not written", one.ID)
		}
		if t := a.source.trace(number); !matches(t, e.query) {
			return fmt.Errorf("trace %s has no span that was asked for: %s", one.ID, a.store.Phrase(e.query))
		}
		seen[one.ID] = true
	}
	if want := min(searchLimit, e.least); len(seen) < want {
		return fmt.Errorf("%d traces were found, and there are %d", len(seen), want)
	}
	return nil
}

func (l *ledger) number(id string) (uint32, bool) {
	key, err := hex.DecodeString(id)
	if err != nil || len(key) != len(pcommon.TraceID{}) {
		return 0, false
	}
	number, ok := l.numbers[pcommon.TraceID(key)]
	return number, ok
}

// matches tells whether a trace has spans that meet each of the conditions. Jaeger
// lets different spans meet them.
func matches(t trace, q backend.TraceQuery) bool {
	conditions := []func(facts) bool{func(f facts) bool {
		return f.service == q.Service && (q.Operation == "" || f.operation == q.Operation)
	}}
	if q.Attribute != "" {
		conditions = append(conditions, func(f facts) bool { return f.rare == q.Value || f.common == q.Value })
	}
	if q.Failed {
		conditions = append(conditions, func(f facts) bool { return f.failed })
	}
	if q.MinDuration > 0 {
		conditions = append(conditions, func(f facts) bool { return f.duration >= q.MinDuration })
	}
	for _, condition := range conditions {
		if !slices.ContainsFunc(t.facts, condition) {
			return false
		}
	}
	return true
}

func (a asker) byID() kind {
	k := kind{name: byID}
	numbers := slices.Sorted(maps.Values(a.ledger.numbers))
	each := min(distinct, len(numbers))
	for i := range each {
		// Not one after the other, and as many old ones as new ones.
		t := a.source.trace(numbers[(i*7919+i)%each*len(numbers)/each])
		id := t.id.String()
		k.questions = append(k.questions, question{text: id, ask: func(ctx context.Context) (func() error, error) {
			got, err := a.store.SpanIDs(ctx, id)
			return func() error { return a.checkSpans(&t, got) }, err
		}})
	}
	return k
}

// checkSpans compares the ids of the spans of a trace.
func (a asker) checkSpans(t *trace, got []string) error {
	var want []string
	for i := range t.facts {
		want = append(want, a.source.spanIDOf(t, i).String())
	}
	slices.Sort(want)
	got = slices.Sorted(slices.Values(got))
	if !slices.Equal(slices.Compact(slices.Clone(got)), want) {
		return fmt.Errorf("trace %s has %d spans, and the answer other ones or another number: %d", t.id, len(want), len(got))
	}
	if len(got) != len(want) {
		return fmt.Errorf("trace %s has %d spans, and the answer has some of them twice: %d", t.id, len(want), len(got))
	}
	return nil
}

func (a asker) notFound() kind {
	k := kind{name: byIDNotFound}
	for i := range distinct {
		id := fmt.Sprintf("%016x%016x", mix(uint64(i))|1<<63, mix(uint64(time.Now().UnixNano()+int64(i))))
		k.questions = append(k.questions, question{text: id, ask: func(ctx context.Context) (func() error, error) {
			_, err := a.store.SpanIDs(ctx, id)
			if errors.Is(err, backend.ErrNotFound) {
				return func() error { return nil }, nil
			}
			return func() error { return fmt.Errorf("a trace that was not written was found: %s", id) }, err
		}})
	}
	return k
}

func (a asker) services() kind {
	want := slices.Sorted(maps.Keys(a.ledger.services))
	return kind{listServices, []question{{text: listServices, ask: func(ctx context.Context) (func() error, error) {
		got, err := a.store.Services(ctx)
		return func() error {
			got := slices.Sorted(slices.Values(got))
			if a.shared {
				got = slices.DeleteFunc(got, func(name string) bool { return !slices.Contains(want, name) })
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("%d services were written, and %d of them were listed", len(want), len(got))
			}
			return nil
		}, err
	}}}}
}

func (a asker) names(want ...string) kind {
	return kind{listNames, []question{{text: listNames, ask: func(ctx context.Context) (func() error, error) {
		got, err := a.store.AttributeNames(ctx)
		return func() error {
			for _, name := range want {
				if name != "" && !slices.Contains(got, name) {
					return fmt.Errorf("attribute %s was written and is not listed", name)
				}
			}
			return nil
		}, err
	}}}}
}

func (a asker) aggregate() kind {
	return kind{aggregate, []question{{text: aggregate, ask: func(ctx context.Context) (func() error, error) {
		got, err := a.store.SpansByService(ctx, backend.Window{Start: a.ledger.began.Add(-before), End: time.Now().Add(time.Minute)})
		return func() error {
			for service, want := range a.ledger.services {
				if got[service] < want || got[service] > want && !a.shared {
					return fmt.Errorf("%d spans of %s were written, and %d were counted", want, service, got[service])
				}
			}
			return nil
		}, err
	}}}}
}
