package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// grow makes the traces that a tree describes.
func grow(want []Span) []backend.Trace {
	next := 0
	var traces []backend.Trace
	var add func(w Span, trace int, parent backend.Span, links []backend.Link)
	newTrace := func() int {
		traces = append(traces, backend.Trace{ID: fmt.Sprintf("%032d", len(traces)+1)})
		return len(traces) - 1
	}
	add = func(w Span, trace int, parent backend.Span, links []backend.Link) {
		var made []backend.Span
		for i := range w.least() {
			if i > 0 && parent.SpanID == "" {
				trace = newTrace()
			}
			next++
			s := backend.Span{
				TraceID: traces[trace].ID, SpanID: fmt.Sprintf("%016d", next), ParentID: parent.SpanID, Links: links,
				Service: w.Service, Name: w.Name, Kind: backend.Kind(w.Kind), StatusCode: backend.StatusUnset, Attributes: backend.Attributes{},
				Start: began.Add(time.Duration(next) * time.Millisecond), End: began.Add(time.Duration(next+1) * time.Millisecond),
			}
			if w.Status == "error" {
				s.StatusCode = backend.StatusError
			}
			for key, value := range w.Attributes {
				if number, ok := value.(json.Number); ok {
					value, _ = number.Int64()
				}
				s.Attributes[key] = value
			}
			traces[trace].Spans = append(traces[trace].Spans, s)
			made = append(made, s)
			for _, child := range w.Children {
				add(child, trace, s, nil)
			}
		}
		links = nil
		for _, s := range made {
			links = append(links, backend.Link{TraceID: s.TraceID, SpanID: s.SpanID})
		}
		for _, linked := range w.Linked {
			add(linked, newTrace(), backend.Span{}, links)
		}
	}
	for _, w := range want {
		add(w, newTrace(), backend.Span{}, nil)
	}
	return traces
}

const order = `
flow: order
trigger: {http: {url: http://x}}
spans:
  - span: POST /orders
    service: orders
    kind: server
    attributes: {http.route: /orders, http.response.status_code: 202}
    forbidden: [http.method]
    children:
      - span: send orders
        service: orders
        kind: producer
        children:
          - {span: process orders, service: shipping, kind: consumer, maxGap: 1s, maxDuration: 1s, status: unset}
        linked:
          - {span: count orders, service: stock, kind: consumer}
      - {span: sql, service: orders, kind: client, count: 2}
`

// Each kind of difference, and the words for it.
func TestDifferences(t *testing.T) {
	type spans map[string]*backend.Span
	for name, c := range map[string]struct {
		change   func(spans)
		kind     string
		message  string
		findings int // 1 when zero
	}{
		"none": {func(spans) {}, "", "", 0},
		"lost context": {func(s spans) { s["process"].ParentID = "" }, Parent,
			`span "process orders" of shipping has no parent; expected orders send orders`, 1},
		"a link where a child is expected": {func(s spans) {
			s["process"].ParentID = ""
			s["process"].Links = []backend.Link{{TraceID: s["send"].TraceID, SpanID: s["send"].SpanID}}
		}, Parent, `span "process orders" of shipping has no parent but a link to orders send orders; expected orders send orders`, 1},
		"another parent": {func(s spans) { s["send"].ParentID = s["sql"].SpanID }, Parent,
			`span "send orders" of orders has the parent orders sql; expected orders POST /orders`, 1},
		"a parent that is not there": {func(s spans) { s["POST"].ParentID = "aa" }, Parent,
			`span "POST /orders" of orders has the parent aa, which is not in the trace; expected it to be the root`, 1},
		"no link": {func(s spans) { s["count"].Links = nil }, Link,
			`span "count orders" of stock has no parent; expected a link to orders send orders`, 1},
		"missing": {func(s spans) { s["process"].Name = "other" }, Missing,
			`span "process orders" of shipping (CONSUMER) is missing; expected it below orders "send orders" PRODUCER`, 2},
		"missing, of a link": {func(s spans) { s["count"].Service = "other" }, Missing,
			`span "count orders" of stock (CONSUMER) is missing; expected it linked to orders "send orders" PRODUCER`, 2},
		"one of two is missing": {func(s spans) { s["sql"].Kind = backend.Server }, Missing,
			`span "sql" of orders (CLIENT) is missing; expected it below orders "POST /orders" SERVER`, 2},
		"another kind": {func(s spans) { s["send"].Kind = backend.Client }, Unexpected,
			`span "send orders" of orders (CLIENT) is not expected; found it below orders POST /orders`, 4},
		"doubled": {func(s spans) {
			s["process"].Name, s["process"].Service, s["process"].Kind, s["process"].ParentID = "sql", "orders", backend.Client, s["POST"].SpanID
		}, Doubled, `span "sql" of orders (CLIENT) is not expected; found it below orders POST /orders, beside those that are`, 2},
		"an attribute lacks": {func(s spans) { delete(s["POST"].Attributes, "http.route") }, Attribute,
			`span "POST /orders" of orders lacks the attribute http.route`, 1},
		"another value": {func(s spans) { s["POST"].Attributes["http.route"] = "/" }, Attribute, `has http.route = "/"; expected "/orders"`, 1},
		"another type": {func(s spans) { s["POST"].Attributes["http.response.status_code"] = "202" }, Attribute,
			`has http.response.status_code = "202"; expected 202`, 1},
		"a forbidden attribute": {func(s spans) { s["POST"].Attributes["http.method"] = "POST" }, Attribute,
			`has the attribute http.method, which is forbidden`, 1},
		"forbidden in the resource": {func(s spans) { s["POST"].Resource = backend.Attributes{"http.method": "POST"} }, Attribute,
			`has the attribute http.method, which is forbidden`, 1},
		"a status": {func(s spans) { s["process"].StatusCode = backend.StatusError }, Status, `has the status error; expected unset`, 1},
		"too long": {func(s spans) { s["process"].End = s["process"].Start.Add(2 * time.Second) }, TooLong, `takes 2s; expected at most 1s`, 1},
		"too late": {func(s spans) {
			s["process"].Start, s["process"].End = s["send"].End.Add(3*time.Second), s["send"].End.Add(3*time.Second)
		}, Gap, `begins 3s after the end of send orders; expected at most 1s`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := flowOf(t, order)
			traces := grow(f.Spans)
			byName := spans{}
			for i := range traces {
				for j := range traces[i].Spans {
					s := &traces[i].Spans[j]
					var word string
					_, _ = fmt.Sscan(s.Name, &word)
					byName[word] = s
				}
			}
			c.change(byName)
			found := Compare(f.Spans, false, traces...).Findings
			require.Len(t, found, c.findings, "%v", found)
			if c.findings > 0 {
				at := slices.IndexFunc(found, func(f Finding) bool { return f.Kind == c.kind })
				require.GreaterOrEqual(t, at, 0, "%v", found)
				assert.Contains(t, found[at].Message, c.message)
			}
		})
	}
}

func TestWhatIsBelowAMissingSpanIsNotToldAgain(t *testing.T) {
	f := flowOf(t, order)
	found := Compare(f.Spans, false, backend.Trace{}).Findings
	require.Len(t, found, 1)
	assert.Equal(t, `span "POST /orders" of orders (SERVER) is missing; expected it as the root`, found[0].Message)
}

func TestOfSeveralAlikeThoseWithTheAttributesAreMeant(t *testing.T) {
	f := flowOf(t, `
flow: retry
trigger: {http: {url: http://x}}
spans:
  - span: send
    service: a
    kind: producer
    children:
      - {span: process, service: b, kind: consumer, attributes: {attempt: 2}, status: unset}
      - {span: process, service: b, kind: consumer, attributes: {attempt: 1}, status: error}
`)
	traces := grow(f.Spans)
	slices.Reverse(traces[0].Spans)
	assert.Empty(t, Compare(f.Spans, false, traces...).Findings)
}

func TestCounts(t *testing.T) {
	f := flowOf(t, "flow: a\ntrigger: {http: {url: http://x}}\nspans: [{span: a, service: a, kind: server, children: [{span: b, service: a, kind: client, count: at least 2}]}]\n")
	traces := grow(f.Spans)
	more := traces[0].Spans[2]
	more.SpanID = "more"
	traces[0].Spans = append(traces[0].Spans, more)
	assert.Empty(t, Compare(f.Spans, false, traces...).Findings, "3 are at least 2")
	traces[0].Spans = traces[0].Spans[:2]
	require.Len(t, Compare(f.Spans, false, traces...).Findings, 1)
	traces[0].Spans = traces[0].Spans[:1]
	assert.Contains(t, Compare(f.Spans, false, traces...).Findings[0].Message, `is missing 2 times; expected it below`)
}

func TestOthersAreNoFaultWhereTheFlowSaysSo(t *testing.T) {
	f := flowOf(t, order)
	traces := grow(f.Spans)
	traces[0].Spans = append(traces[0].Spans, backend.Span{TraceID: traces[0].ID, SpanID: "x", ParentID: "y", Name: "GET", Service: "cache"})
	assert.Empty(t, Compare(f.Spans, true, traces...).Findings)
	assert.Len(t, Compare(f.Spans, false, traces...).Findings, 1)
}
