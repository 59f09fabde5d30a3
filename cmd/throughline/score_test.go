package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/score"
)

func TestPrintScores(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printScores(&out, "http://console", score.Report{Traces: 1, Conventions: "1.2.3", NotComputed: map[string]string{"SPA-003": "it has no criterion"}, Services: []score.Service{{
		Name: "orders", Score: 81.8, Category: "good", Spans: 2, Traces: 1,
		Rules: []score.Result{
			{Rule: "RES-005", Impact: "critical", Title: "service.name is present", Passed: true},
			{Rule: "SPA-002", Impact: "normal", Title: "no orphan spans", Example: `span "sql" is one`, TraceID: "b"},
			{Rule: "MET-001", Impact: "important", Title: "few values", Example: "orders has many"},
		},
		Attributes: []score.Attribute{{Key: "db.name", Verdict: "deprecated", Example: `span "sql" has db.name`, TraceID: "b"}},
		Custom:     []string{"shop.order"},
	}}}))
	assert.Equal(t, ` 82  good               orders: 1 of 3 rules, 2 spans of 1 traces
     ✗ SPA-002, normal: no orphan spans
       span "sql" is one
       http://console/trace/b
     ✗ MET-001, important: few values
       orders has many
     · db.name: deprecated
       span "sql" has db.name
       http://console/trace/b
     its own attributes: shop.order
attributes compared with the semantic conventions 1.2.3
not computed: SPA-003, because it has no criterion
`, out.String())
}
