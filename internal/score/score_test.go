package score

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/semconv"
)

// sound is a trace of a service in which nothing offends.
func sound(id string) backend.Trace {
	resource := func() backend.Attributes {
		return backend.Attributes{"service.name": "orders", "service.instance.id": "a", "host.name": "h"}
	}
	return backend.Trace{ID: id, Spans: []backend.Span{
		{TraceID: id, SpanID: "1", Name: "POST /orders", Kind: backend.Server, Service: "orders", Resource: resource(), End: time.Time{}.Add(time.Second)},
		{TraceID: id, SpanID: "2", ParentID: "1", Name: "sql", Kind: backend.Client, Service: "orders", Resource: resource(), Attributes: backend.Attributes{"db.system.name": "sqlite"}},
	}}
}

// Each rule by a fault of its own, which alone is found.
func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		fault   func(*backend.Trace)
		rule    string
		example string
		score   float64
	}{
		"none":        {func(*backend.Trace) {}, "", "", 100},
		"no instance": {func(b *backend.Trace) { delete(b.Spans[1].Resource, "service.instance.id") }, "RES-001", `span "sql" has a resource without service.instance.id`, 90.9},
		"one instance on two hosts": {func(b *backend.Trace) { b.Spans[1].Resource["host.name"] = "i" }, "RES-002",
			`span "sql" has the service.instance.id a with the host.name i, and another has it with h`, 86.4},
		"a pod without its uid": {func(b *backend.Trace) {
			b.Spans[0].Resource["k8s.pod.uid"] = "u"
			b.Spans[1].Resource["k8s.pod.name"] = "p"
		}, "RES-003", `span "sql" has a resource with k8s.pod.name and without k8s.pod.uid`, 88},
		"a name in the span":       {func(b *backend.Trace) { b.Spans[1].Attributes["service.name"] = "x" }, "RES-004", `span "sql" has service.name, which belongs into the resource`, 86.4},
		"a method in the resource": {func(b *backend.Trace) { b.Spans[0].Resource["http.request.method"] = "GET" }, "RES-004", `span "POST /orders" has a resource with http.request.method, which belongs into spans`, 86.4},
		"no name":                  {func(b *backend.Trace) { b.Spans[1].Resource["service.name"] = "" }, "RES-005", `span "sql" has a resource without service.name`, 81.8},
		"eleven internal spans":    {func(b *backend.Trace) { add(b, 11, backend.Internal, time.Second) }, "SPA-001", "11 INTERNAL spans in one trace", 90.9},
		"ten internal spans":       {func(b *backend.Trace) { add(b, 10, backend.Internal, time.Second) }, "", "", 100},
		"an orphan":                {func(b *backend.Trace) { b.Spans[1].ParentID = "9" }, "SPA-002", `span "sql" has the parent 9, which its trace does not have`, 90.9},
		"a client as root":         {func(b *backend.Trace) { b.Spans[1].ParentID = "" }, "SPA-004", `span "sql" is a root of kind CLIENT`, 86.4},
		"short spans":              {func(b *backend.Trace) { add(b, 20, backend.Server, time.Millisecond) }, "SPA-005", "21 spans shorter than 5 ms in one trace", 86.4},
	} {
		t.Run(name, func(t *testing.T) {
			bad := sound("b")
			c.fault(&bad)
			services := scores(seenIn([]backend.Trace{sound("a"), bad}))
			require.Len(t, services, 1)
			orders := services[0]
			assert.Equal(t, "orders", orders.Name)
			assert.InDelta(t, c.score, orders.Score, 0.1)
			assert.Equal(t, 2, orders.Traces)
			for _, r := range orders.Rules {
				assert.Equal(t, r.Rule != c.rule, r.Passed, r.Rule)
				if !r.Passed {
					assert.Equal(t, c.example, r.Example)
					assert.Equal(t, "b", r.TraceID)
				}
			}
		})
	}
}

func add(b *backend.Trace, n int, kind backend.Kind, long time.Duration) {
	for i := range n {
		span := sound(b.ID).Spans[1]
		span.SpanID, span.Kind, span.End = fmt.Sprint("x", i), kind, span.Start.Add(long)
		b.Spans = append(b.Spans, span)
	}
}

func TestServicesAreScoredApart(t *testing.T) {
	trace := sound("a")
	trace.Spans[1].Service, trace.Spans[1].ParentID = "stock", "9"
	services := scores(seenIn([]backend.Trace{trace}))
	require.Len(t, services, 2)
	assert.Equal(t, 100., services[0].Score)
	assert.Equal(t, "excellent", services[0].Category)
	assert.InDelta(t, 90.9, services[1].Score, 0.1)
	assert.Equal(t, 1, services[1].Spans)
}

// Every public rule is computed or listed as left out.
func TestEveryRuleIsAccountedFor(t *testing.T) {
	all := slices.Collect(maps.Keys(Left))
	for _, r := range slices.Concat(rules, metricRules, logRules) {
		all = append(all, r.id)
		assert.Contains(t, Weights, r.impact)
	}
	slices.Sort(all)
	assert.Equal(t, []string{
		"LOG-001", "LOG-002", "MET-001", "MET-002", "MET-003", "MET-004", "MET-005", "MET-006", "RES-001", "RES-002", "RES-003", "RES-004", "RES-005",
		"SDK-001", "SPA-001", "SPA-002", "SPA-003", "SPA-004", "SPA-005",
	}, all)
}

// What Loki keeps is why the rule about 14 days is left out.
func TestLokiKeepsLessThanTheRuleAsksAbout(t *testing.T) {
	config, err := os.ReadFile("../../loki/config.yaml")
	require.NoError(t, err)
	assert.Contains(t, string(config), "retention_period: 72h\n")
	assert.Contains(t, Left["LOG-001"], "72 hours")
}

// Each attribute is told once, with the first span that has it; those of the service's
// own names are no offence, and none changes the score.
func TestAttributesAgainstTheRegistry(t *testing.T) {
	bad := sound("b")
	bad.Spans[1].Attributes = backend.Attributes{"db.system.name": "sqlite", "db.name": "orders", "server.port": "80", "http.nonsense": "x", "shop.order": "7", "note": "y"}
	bad.Spans[1].Resource["service.colour"] = "red"
	bad.Spans[1].Events = []backend.Event{{Name: "message", Attributes: backend.Attributes{"message.id": int64(1)}}}
	again := sound("c")
	again.Spans[1].Attributes = bad.Spans[1].Attributes
	services := scores(seenIn([]backend.Trace{sound("a"), bad, again}))
	require.Len(t, services, 1)
	orders := services[0]
	assert.Equal(t, 100., orders.Score)
	assert.Equal(t, []string{"note", "shop.order"}, orders.Custom)
	assert.Equal(t, []Attribute{
		{"db.name", semconv.Deprecated, `span "sql" has db.name, which is now db.namespace`, "b"},
		{"http.nonsense", semconv.Unknown, `span "sql" has http.nonsense, which is not among the attributes http.* of the conventions`, "b"},
		{"message.id", semconv.Deprecated, `span "sql" has an event "message" with message.id, which is no longer used`, "b"},
		{"server.port", semconv.WrongType, `span "sql" has server.port, which is string and should be int`, "b"},
		{"service.colour", semconv.Unknown, `span "sql" has a resource with service.colour, which is not among the attributes service.* of the conventions`, "b"},
	}, orders.Attributes)
}
