package stores

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestTheEstateIsLikeARealOne(t *testing.T) {
	e := newEstate(1)
	services, operations := map[string]int{}, map[[2]string]int{}
	spans, failed, single, large, unique := 0, 0, 0, 0, map[string]bool{}
	const traces = 20_000
	for number := range uint32(traces) {
		trace := e.trace(number)
		spans += len(trace.facts)
		switch n := len(trace.facts); {
		case n == 1:
			single++
		case n > 200:
			large++
		}
		require.LessOrEqual(t, len(trace.facts), largestTrace)
		for _, f := range trace.facts {
			services[f.service]++
			operations[[2]string{f.service, f.operation}]++
			if f.failed {
				failed++
			}
			if f.rare != "" {
				unique[f.rare] = true
			}
		}
	}
	assert.Len(t, services, serviceCount)
	assert.Len(t, operations, serviceCount*operationsEach)
	assert.InDelta(t, failedShare, float64(failed)/float64(spans), 0.002)
	assert.Len(t, unique, traces)
	assert.NotZero(t, single)
	assert.NotZero(t, large)
	most, least := 0, spans
	for _, n := range services {
		most, least = max(most, n), min(least, n)
	}
	assert.Greater(t, most, 20*least, "few services are popular")
}

func TestTheSameSeedGivesTheSameTraces(t *testing.T) {
	a, b, other := newEstate(1), newEstate(1), newEstate(2)
	for number := range uint32(100) {
		x, y := a.trace(number), b.trace(number)
		assert.Equal(t, x.facts, y.facts)
		assert.Equal(t, x.id, y.id)
		assert.NotEqual(t, x.id, other.trace(number).id)
	}
}

// everything is what a writer has made for the whole of some traces.
func everything(s source, traces int) (ptrace.Traces, *ledger) {
	w := &writer{source: s, ledger: newLedger()}
	for range traces {
		w.add(1, time.Now())
	}
	var pieces []piece
	for w.pending > 0 {
		pieces = append(pieces, w.due()...)
	}
	return w.encode(pieces), w.ledger
}

func TestAReplayIsWrittenAgainWithItsOwnSpans(t *testing.T) {
	made, _ := everything(newEstate(3), 50)
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(made)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "mine.jsonl")
	require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o600))
	r, err := newReplay(path)
	require.NoError(t, err)
	assert.Len(t, r.traces, 50)
	assert.Equal(t, made.SpanCount(), r.spans)
	assert.Contains(t, []string{attributeUnique, "url.path"}, r.rare, "many values; the root alone has an id")
	assert.Equal(t, attributeRegion, r.common)

	again, l := everything(r, 100)
	assert.Equal(t, 2*made.SpanCount(), again.SpanCount(), "each trace twice")
	assert.Len(t, l.numbers, 100, "with ids of their own")
	for _, resource := range again.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				assert.Less(t, time.Since(span.StartTimestamp().AsTime()).Abs(), time.Minute, "moved to now")
			}
		}
	}
}

func TestTracesThatAreAllAlikeHaveNoRareAttribute(t *testing.T) {
	var alike []recording
	for range searchLimit + 1 {
		span := ptrace.NewSpan()
		span.Attributes().PutStr("app.region", "eu-1")
		alike = append(alike, recording{spans: []recordedSpan{{span: span}}})
	}
	rare, common := rareAndCommon(alike)
	assert.Empty(t, rare, "a search would find any of them")
	assert.Equal(t, "app.region", common)
}

func TestABadReplaySaysWhichLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{}\nnonsense\n"), 0o600))
	_, err := newReplay(path)
	assert.ErrorContains(t, err, "line 2")
	require.NoError(t, os.WriteFile(path, []byte("{}\n"), 0o600))
	_, err = newReplay(path)
	assert.ErrorContains(t, err, "no spans")
	_, err = newReplay("none.jsonl")
	assert.ErrorContains(t, err, "--replay")
}
