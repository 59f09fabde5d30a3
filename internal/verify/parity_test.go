package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

func TestParitySeesASpanThatOneStoreHoldsTwice(t *testing.T) {
	once := backend.Trace{Spans: []backend.Span{
		{SpanID: "01", Name: "sql", Service: "user-rpc"}, {SpanID: "02", Name: "local", Service: "login-api"},
	}}
	twice := backend.Trace{Spans: append(slices.Clone(once.Spans), once.Spans[0])}
	require.Equal(t, []string{`span "sql" of user-rpc (01) is in Jaeger 1 time, in Tempo 2 times`}, Differences("Jaeger", once, "Tempo", twice))
	require.Equal(t, []string{`span "sql" of user-rpc (01) is in Jaeger 2 times, in Tempo 1 time`}, Differences("Jaeger", twice, "Tempo", once))
	require.Empty(t, Differences("Jaeger", twice, "Tempo", twice), "they hold the same")
}

func TestADoubleDoesNotStandForAMissingSpan(t *testing.T) {
	login := backend.Trace{Spans: []backend.Span{
		{SpanID: "01", Name: "sql", Service: "user-rpc", Kind: backend.Client}, {SpanID: "01", Name: "sql", Service: "user-rpc", Kind: backend.Client},
	}}
	require.Len(t, MissingFromLogin(login), LoginSpans-1)
	require.Equal(t, LoginSpans, strings.Count(LoginTraceQL(), "{"), "each span is asked for by itself")
	require.Contains(t, LoginTraceQL(), `{ resource.service.name = "audit-mq" && name = "sql" && kind = client }`)
}
