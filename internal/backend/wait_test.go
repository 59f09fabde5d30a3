package backend

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// held is a store that holds one trace.
type held Trace

func (held) Name() string { return "Tempo" }

func (h held) Trace(context.Context, string) (Trace, error) { return Trace(h), nil }

func TestASpanThatIsStoredTwiceCountsOnce(t *testing.T) {
	store := held{Spans: []Span{{SpanID: "01"}, {SpanID: "02"}, {SpanID: "02"}}}
	require.Equal(t, 2, Trace(store).SpanCount())

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := WaitForSpans(ended, store, traceID, 3)
	require.ErrorContains(t, err, "Tempo holds 2 of 3 spans")

	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("it waits for a third"))
	defer cancel()
	trace, err := WaitForSpans(ctx, store, traceID, 2)
	require.NoError(t, err)
	require.Len(t, trace.Spans, 3, "what the store holds is returned as it is")
}

func TestASearchCountsASpanThatIsStoredTwiceOnce(t *testing.T) {
	address, _ := answering(t, `{"data":[{"traceID":"1","spans":[{"spanID":"1"},{"spanID":"2"},{"spanID":"2"}]}]}`)
	found, err := NewJaeger(address).Search(t.Context(), TraceQuery{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, 2, found[0].Spans)
}
