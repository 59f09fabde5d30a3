package flow

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

// resultOf is what a run makes of these traces, in two stores.
func resultOf(f Flow, inJaeger, inTempo []backend.Trace) Result {
	r := Result{Flow: f.Name, flow: f, TraceID: "1", Link: "http://console/trace/1"}
	for name, traces := range map[string][]backend.Trace{"Jaeger": inJaeger, "Tempo": inTempo} {
		r.Stores = append(r.Stores, StoreResult{Name: name, traces: traces, Comparison: Compare(f.Spans, f.Others, traces...)})
	}
	if r.Stores[0].Name == "Tempo" {
		r.Stores[0], r.Stores[1] = r.Stores[1], r.Stores[0]
	}
	r.Findings = joined(r.Stores)
	r.OK = len(r.Findings) == 0
	return r
}

func shown(t *testing.T, r Result) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, r.Print(&out))
	return out.String()
}

func TestTheTreeShowsWhatIsMissingDoubledOrWrong(t *testing.T) {
	f := flowOf(t, order)
	good := resultOf(f, grow(f.Spans), grow(f.Spans))
	assert.Contains(t, shown(t, good), "trace 1 in Jaeger and Tempo, and 1 more\norders  POST /orders")
	assert.Contains(t, shown(t, good), "\nhttp://console/trace/1\n✓ order is as it should be")

	bad := grow(f.Spans)
	root := &bad[0].Spans[0]
	root.Attributes["http.route"] = "/"
	bad[0].Spans[1].Name = "sql" // send is missing, with all below it, and there is a sql too many
	bad[0].Spans[1].Kind = backend.Client
	out := shown(t, resultOf(f, bad, grow(f.Spans)))
	for _, line := range []string{
		`(?m)^trace 1 in Jaeger`, `(?m)^trace 1 in Tempo`,
		`(?m)^orders  POST /orders .* ✗ has http.route = "/"; expected "/orders"$`,
		`(?m)^├─ orders  send orders  +PRODUCER  +✗ missing$`,
		`(?m)^│  ├─ shipping  process orders +CONSUMER .*✗ not below orders send orders$`,
		`(?m)^└─ orders  sql +CLIENT .*✗ doubled$`,
		`(?m)^✗ Jaeger: span "send orders" of orders \(PRODUCER\) is missing`,
		`(?m)^✗ order: \d differences`,
	} {
		assert.Regexp(t, line, out)
	}
}

func TestJUnit(t *testing.T) {
	f := flowOf(t, order)
	short := grow(f.Spans)
	short[1].Spans = nil
	r := resultOf(f, grow(f.Spans), short)
	r.flow.Metrics, r.metrics = []string{"orders_total"}, []*Finding{{Kind: NoMetric, Message: "it has not moved"}}
	var out strings.Builder
	require.NoError(t, r.JUnit(&out))
	var suite struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Class   string `xml:"classname,attr"`
			Failure []struct {
				Message string `xml:"message,attr"`
				Type    string `xml:"type,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	require.NoError(t, xml.Unmarshal([]byte(out.String()), &suite))
	assert.Equal(t, 13, suite.Tests, "6 spans in each of two stores, and a metric")
	assert.Equal(t, 2, suite.Failures)
	var failed []string
	for _, c := range suite.Cases {
		for _, f := range c.Failure {
			failed = append(failed, c.Class+" "+c.Name+" "+f.Type)
		}
	}
	assert.Equal(t, []string{"order.Tempo stock count orders missing", "order.metric orders_total metric"}, failed)
}
