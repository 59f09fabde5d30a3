package doctor

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

// order is a trace in which nothing is wrong.
func order() backend.Trace {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	span := func(i int, parent, service, name string, kind backend.Kind) backend.Span {
		start := began.Add(time.Duration(i) * time.Millisecond)
		return backend.Span{TraceID: "1", SpanID: fmt.Sprint(i), ParentID: parent, Service: service, Name: name, Kind: kind,
			StatusCode: backend.StatusUnset, Attributes: backend.Attributes{}, Start: start, End: start.Add(time.Millisecond)}
	}
	return backend.Trace{ID: "1", Spans: []backend.Span{
		span(1, "", "orders", "POST /orders", backend.Server),
		span(2, "1", "orders", "send orders", backend.Producer),
		span(3, "2", "shipping", "process orders", backend.Consumer),
		span(4, "1", "orders", "sql", backend.Client),
	}}
}

// Each kind by a fault of its own, which alone is found.
func TestSymptoms(t *testing.T) {
	type spans map[string]*backend.Span
	for name, c := range map[string]struct {
		fault              func(spans)
		kind, boundary     string
		message            string
		onlyInOneStore     string
		withoutTheConsumer bool
	}{
		"none":           {},
		"parent unknown": {fault: func(s spans) { s["POST"].ParentID = "aa" }, kind: Orphan, boundary: "? → orders", message: `span "POST /orders" of orders has the parent aa, which no store has`},
		"two roots": {fault: func(s spans) { s["sql"].ParentID = "" }, kind: SeveralRoots, boundary: "orders → orders",
			message: `span "sql" of orders has no parent, nor has the first, span "POST /orders" of orders`},
		"no consumer": {withoutTheConsumer: true, kind: EndsAtPublish, boundary: "orders → ?", message: `span "send orders" of orders is followed by no consumer in its trace`},
		"unroutable":  {withoutTheConsumer: true, fault: func(s spans) { s["send"].StatusCode = backend.StatusError }},
		"linked": {fault: func(s spans) {
			s["process"].ParentID = ""
			s["process"].Links = []backend.Link{{TraceID: s["send"].TraceID, SpanID: s["send"].SpanID}}
		}, kind: LinkNotChild, boundary: "? → shipping", message: `span "process orders" of shipping has no parent but a link to span "send orders" of orders`},
		"a batch is linked": {fault: func(s spans) {
			s["process"].ParentID = ""
			s["process"].Links = []backend.Link{{TraceID: "b", SpanID: "b"}, {TraceID: s["send"].TraceID, SpanID: s["send"].SpanID}}
		}},
		"one store": {onlyInOneStore: "sql", kind: OneStoreOnly, boundary: "otel-collector → the others", message: `span "sql" of orders is in Jaeger only, not in Tempo`},
		"a long text": {fault: func(s spans) { s["sql"].Attributes["db.query.text"] = strings.Repeat("a", 2047) }, kind: Cut,
			message: "has 2047 bytes in db.query.text, the most that are kept"},
		"many events": {fault: func(s spans) { s["sql"].Events = make([]backend.Event, 32) }, kind: Cut, message: "has 32 events"},
		"attributes of 2021": {fault: func(s spans) { s["POST"].Attributes["http.method"] = "POST" }, kind: OldConventions,
			message: "has http.method, which is now http.request.method"},
		"a clock behind": {fault: func(s spans) { s["process"].Start = s["process"].Start.Add(-time.Second) }, kind: ClocksDisagree,
			boundary: "orders → shipping", message: `span "process orders" of shipping begins 999ms before the one above it, span "send orders" of orders`},
	} {
		t.Run(name, func(t *testing.T) {
			inJaeger, inTempo := order(), order()
			for _, trace := range []*backend.Trace{&inJaeger, &inTempo} {
				byName := spans{}
				for i := range trace.Spans {
					word, _, _ := strings.Cut(trace.Spans[i].Name, " ")
					byName[word] = &trace.Spans[i]
				}
				if c.fault != nil {
					c.fault(byName)
				}
				if c.withoutTheConsumer {
					trace.Spans = slices.DeleteFunc(trace.Spans, func(s backend.Span) bool { return s.Kind == backend.Consumer })
				}
			}
			if c.onlyInOneStore != "" {
				i := slices.IndexFunc(inTempo.Spans, func(s backend.Span) bool { return s.Name == c.onlyInOneStore })
				inTempo.Spans = slices.Delete(inTempo.Spans, i, i+1)
			}
			found := merge(map[string]backend.Trace{"Jaeger": inJaeger, "Tempo": inTempo}).diagnose()
			if c.kind == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Equal(t, c.kind, found[0].Kind)
			assert.Equal(t, c.boundary, found[0].Boundary)
			assert.Contains(t, found[0].Message, c.message)
		})
	}
}

func TestAConsumerWithoutAProducer(t *testing.T) {
	found := merge(map[string]backend.Trace{"Tempo": {Spans: []backend.Span{{SpanID: "1", Kind: backend.Consumer, Name: "process", Service: "shipping"}}}}).diagnose()
	require.Len(t, found, 1)
	assert.Equal(t, NoProducer, found[0].Kind)
	assert.Equal(t, `span "process" of shipping has neither a parent nor a link`, found[0].Message)
}

func TestEveryKindHasACauseAndAPage(t *testing.T) {
	require.Len(t, remedies, 11)
	for kind, remedy := range remedies {
		file, anchor, _ := strings.Cut(remedy[1], "#")
		text, err := os.ReadFile("../../" + file)
		require.NoError(t, err, kind)
		var anchors []string
		for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
			plain := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
			anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
		}
		assert.Contains(t, anchors, anchor, fmt.Sprint(kind))
		assert.NotEmpty(t, remedy[0])
	}
}
