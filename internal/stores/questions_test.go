package stores

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
)

// honest answers from the ledger. spoil changes its answers.
type honest struct {
	source source
	ledger *ledger
	spoil  func(ids []string) []string
}

func (h honest) Name() string { return "honest" }
func (h honest) Trace(context.Context, string) (backend.Trace, error) {
	return backend.Trace{}, backend.ErrNotFound
}
func (h honest) Phrase(backend.TraceQuery) string { return "" }

func (h honest) SpanIDs(_ context.Context, id string) ([]string, error) {
	number, ok := h.ledger.number(id)
	if !ok {
		return nil, backend.ErrNotFound
	}
	trace := h.source.trace(number)
	var ids []string
	for i := range trace.facts {
		ids = append(ids, h.source.spanIDOf(&trace, i).String())
	}
	return h.spoil(ids), nil
}

func (h honest) Search(_ context.Context, q backend.TraceQuery) ([]backend.FoundTrace, error) {
	var ids []string
	for id, number := range h.ledger.numbers {
		// As Tempo does: one span meets all conditions.
		meets := func(f facts) bool { return matches(trace{facts: []facts{f}}, q) }
		if slices.ContainsFunc(h.source.trace(number).facts, meets) {
			ids = append(ids, id.String())
		}
	}
	slices.Sort(ids)
	var found []backend.FoundTrace
	for _, id := range h.spoil(ids[:min(len(ids), q.Limit)]) {
		found = append(found, backend.FoundTrace{ID: id})
	}
	return found, nil
}

func (h honest) Services(context.Context) ([]string, error) {
	var names []string
	for name := range h.ledger.services {
		names = append(names, name)
	}
	return h.spoil(names), nil
}

func (h honest) AttributeNames(context.Context) ([]string, error) {
	return h.spoil([]string{attributeRegion, attributeUnique}), nil
}

func (h honest) SpansByService(context.Context, backend.Window) (map[string]int, error) {
	counts := map[string]int{}
	for name, n := range h.ledger.services {
		counts[name] = n + len(h.spoil([]string{"one"})) - 1
	}
	return counts, nil
}

// wrongKinds asks every question and names the kinds with a wrong answer.
func wrongKinds(t *testing.T, spoil func([]string) []string) []string {
	t.Helper()
	s := newEstate(1)
	_, l := everything(s, 120)
	var wrong []string
	for _, kind := range (asker{honest{s, l, spoil}, s, l, false}).kinds() {
		require.NotEmpty(t, kind.questions, kind.name)
		for _, question := range kind.questions {
			check, err := question.ask(t.Context())
			require.NoError(t, err)
			if check() != nil && !slices.Contains(wrong, kind.name) {
				wrong = append(wrong, kind.name)
			}
		}
	}
	return wrong
}

func TestRightAnswersAreRight(t *testing.T) {
	assert.Empty(t, wrongKinds(t, func(ids []string) []string { return ids }))
}

func TestWrongAnswersAreFound(t *testing.T) {
	searches := []string{byService, byOperation, byDuration, byRare, byCommon, byFailure}
	one := fmt.Sprintf("%032x", 1)
	for name, spoil := range map[string]func([]string) []string{
		"one is missing":      func(ids []string) []string { return ids[:len(ids)-1] },
		"a stranger is there": func(ids []string) []string { return append(slices.Clone(ids), one) },
		"nothing at all":      func([]string) []string { return nil },
	} {
		wrong := wrongKinds(t, spoil)
		for _, kind := range append(searches, byID, listServices) {
			assert.Contains(t, wrong, kind, name)
		}
	}
	twice := wrongKinds(t, func(ids []string) []string { return append(slices.Clone(ids), ids[0]) })
	assert.Contains(t, twice, byID, "a span that is stored twice")
}

func TestPrediction(t *testing.T) {
	size := func(spans int, bytes, p95 float64) result.StoreSize {
		return result.StoreSize{Spans: spans, BytesPerSpan: &bytes, Queries: []result.StoreQuery{{Kind: "k", Right: true, WarmP95: &p95}}}
	}
	found := predictionError([]result.StoreSize{size(100, 10, 1), size(200, 10, 2), size(400, 8, 5)})
	assert.InDelta(t, 0.25, *found.Disk, 1e-9)
	assert.InDelta(t, 0.2, *found.P95, 1e-9)
	scattered := predictionError([]result.StoreSize{size(100, 10, 90), size(200, 10, 40), size(400, 10, 100)})
	assert.InDelta(t, 0.4, *scattered.P95, 1e-9, "no answer takes less time because there is more to look through")
	steep := predictionError([]result.StoreSize{size(100, 10, 1), size(200, 10, 4), size(400, 10, 8)})
	assert.InDelta(t, 1-math.Sqrt2/2, *steep.P95, 1e-9, "nor more time than in proportion")
	assert.Nil(t, predictionError([]result.StoreSize{size(100, 10, 1), size(200, 10, 2)}))
	blind := size(400, 8, 5)
	blind.BytesPerSpan = nil
	assert.Nil(t, predictionError([]result.StoreSize{size(100, 10, 1), size(200, 10, 2), blind}).Disk, "what was not measured is not 0")
}

func TestLargestOf(t *testing.T) {
	assert.Equal(t, []int{2500, 5000, 10000}, Plans["short"].LargestOf(10_000).Sizes)
	assert.False(t, strings.Contains(fmt.Sprint(Plans["short"].Sizes), "10000 "), "the plan itself stays")
}
