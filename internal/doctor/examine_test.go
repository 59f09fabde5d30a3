package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

// memory is a store that holds traces by their ids, and finds all that have a span of
// the service and name.
type memory struct {
	name   string
	traces map[string]backend.Trace
}

func (m memory) Name() string { return m.name }

func (m memory) Trace(_ context.Context, id string) (backend.Trace, error) {
	trace, held := m.traces[id]
	if !held {
		return trace, fmt.Errorf("%s: %w", id, backend.ErrNotFound)
	}
	return trace, nil
}

func (m memory) Search(_ context.Context, q backend.TraceQuery) ([]backend.FoundTrace, error) {
	var found []backend.FoundTrace
	for id, trace := range m.traces {
		if slices.ContainsFunc(trace.Spans, func(s backend.Span) bool { return s.Service == q.Service && s.Name == q.Operation }) {
			found = append(found, backend.FoundTrace{ID: id})
		}
	}
	return found, nil
}

func (memory) Phrase(backend.TraceQuery) string { return "" }

// counters is a Prometheus that answers a query that holds the name with the value.
func counters(t *testing.T, values map[string]float64) (*backend.Prometheus, *[]string) {
	t.Helper()
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query().Get("query")
		queries = append(queries, query)
		result := ""
		for name, value := range values {
			if strings.Contains(query, name) {
				result = fmt.Sprintf(`{"metric":{},"value":[0,"%g"]}`, value)
			}
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}))
	t.Cleanup(server.Close)
	return backend.NewPrometheus(server.URL), &queries
}

// Of a span in one store only the first hop that is read is the collector's receiver.
func TestTheLastHopOfASpanInOneStoreOnly(t *testing.T) {
	const accepted, queue, failed, sent = "otelcol_receiver_accepted_spans_total", "otelcol_exporter_queue_size", "_failed_spans_total", "otelcol_exporter_sent_spans_total"
	for name, c := range map[string]struct {
		counted map[string]float64
		says    string
	}{
		"not received": {map[string]float64{queue: 4096}, "receivers have accepted no span since the trace began, so that no hop of the collector has counted it"},
		"waits":        {map[string]float64{accepted: 12, queue: 4096, failed: 3}, "receivers have accepted about 12 spans since the trace began, and 4096 bytes wait in the queue for Tempo: the queue counted it last"},
		"failed":       {map[string]float64{accepted: 12, failed: 3, sent: 9}, "accepted about 12 spans since the trace began, and Tempo did not take about 3: its exporter counted it last, as failed"},
		"left out":     {map[string]float64{accepted: 12}, "none was sent to Tempo, waits for it or has failed: the receivers counted it last"},
		"sent":         {map[string]float64{accepted: 12, sent: 11}, "about 11 were sent to Tempo, and none waits or has failed: its exporter counted it last, as sent"},
	} {
		t.Run(name, func(t *testing.T) {
			inTempo := order()
			inTempo.Spans = inTempo.Spans[:2] // neither process nor sql
			prometheus, queries := counters(t, c.counted)
			found, err := Doctor{
				Stores:     []backend.TraceSearcher{memory{"Jaeger", map[string]backend.Trace{"1": order()}}, memory{"Tempo", map[string]backend.Trace{"1": inTempo}}},
				Prometheus: prometheus,
			}.Examine(t.Context(), []string{"1"})
			require.NoError(t, err)
			require.Len(t, found, 2)
			for _, symptom := range found {
				assert.Equal(t, OneStoreOnly, symptom.Kind)
				assert.Contains(t, symptom.Cause, c.says)
			}
			assert.Contains(t, (*queries)[0], accepted)
			assert.Len(t, *queries, 4, "once for all spans that the store does not hold")
		})
	}
}

func TestWithoutPrometheusNoHopIsTold(t *testing.T) {
	inTempo := order()
	inTempo.Spans = inTempo.Spans[:3]
	found, err := Doctor{Stores: []backend.TraceSearcher{memory{"Jaeger", map[string]backend.Trace{"1": order()}}, memory{"Tempo", map[string]backend.Trace{"1": inTempo}}}}.
		Examine(t.Context(), []string{"1"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, remedies[OneStoreOnly][0], found[0].Cause)
}

// called is an order with a call to stock, which stock follows.
func called(id string, followed bool) backend.Trace {
	trace := order()
	call := trace.Spans[3]
	call.SpanID, call.Name = "5", "stock.Stock/Take"
	trace.Spans = append(trace.Spans, call)
	if followed {
		served := call
		served.SpanID, served.ParentID, served.Service, served.Kind = "6", "5", "stock", backend.Server
		trace.Spans = append(trace.Spans, served)
	}
	trace.ID = id
	for i := range trace.Spans {
		trace.Spans[i].TraceID = id
	}
	return trace
}

// A call that nothing follows is half a trace where its service follows it elsewhere.
func TestAHalfThatWasSampledOut(t *testing.T) {
	for name, c := range map[string]struct {
		others map[string]backend.Trace
		change func(*backend.Span) // of the call
		found  bool
	}{
		"followed elsewhere":      {others: map[string]backend.Trace{"2": called("2", true)}, found: true},
		"followed by nobody":      {others: map[string]backend.Trace{"2": called("2", false)}},
		"no other trace":          {},
		"a call to a database":    {others: map[string]backend.Trace{"2": called("2", true)}, change: func(s *backend.Span) { s.Attributes = backend.Attributes{"db.system.name": "sqlite"} }},
		"another call, elsewhere": {others: map[string]backend.Trace{"2": called("2", true)}, change: func(s *backend.Span) { s.Name = "stock.Stock/Count" }},
	} {
		t.Run(name, func(t *testing.T) {
			broken := called("1", false)
			if c.change != nil {
				c.change(&broken.Spans[4])
			}
			traces := map[string]backend.Trace{"1": broken}
			for id, trace := range c.others {
				traces[id] = trace
			}
			found, err := Doctor{Stores: []backend.TraceSearcher{memory{"Tempo", traces}}}.Examine(t.Context(), []string{"1"})
			require.NoError(t, err)
			if !c.found {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Equal(t, HalfMissing, found[0].Kind)
			assert.Equal(t, "orders → stock", found[0].Boundary)
			assert.Equal(t, "5", found[0].SpanID)
			assert.Equal(t, `span "stock.Stock/Take" of orders is followed by nothing of stock, which follows it in other traces`, found[0].Message)
		})
	}
	_, err := Doctor{Stores: []backend.TraceSearcher{memory{name: "Tempo"}}}.Examine(t.Context(), []string{"1"})
	assert.ErrorContains(t, err, "no store holds trace 1")
}
