package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/demo"
)

const (
	send    = "send user.events:user.logged_in"
	process = "process user.events:user.logged_in:user.events.audit"
)

// checks runs all checks on a fake stack, whose broker and collector are down.
func checks(t *testing.T, target Target, options Options) map[string]Check {
	t.Helper()
	options.ProbeCommand = []string{"/nonexistent/probe"}
	byName := map[string]Check{}
	for _, c := range Run(t.Context(), target, options).Checks {
		byName[c.Name] = c
	}
	require.Len(t, byName, 16)
	return byName
}

func TestAGoodStack(t *testing.T) {
	f, target := newFakeStack(t)
	f.delay = 150 * time.Millisecond
	var progress bytes.Buffer
	got := checks(t, target, Options{Logins: 5, Progress: &progress})
	for _, name := range []string{"logins", "expected tree", "parity", "freshness", "stored once", "no mobile number"} {
		require.True(t, got[name].OK, "%s: %s", name, got[name].Detail)
	}
	require.Equal(t, "Jaeger and Tempo hold the same of 5 of 5 traces, 40 spans compared", got["parity"].Detail)
	require.Equal(t, "ms", got["freshness"].Unit)
	require.InDelta(t, 250, got["freshness"].Value, 150)

	// What is down is named, without its password.
	require.False(t, got["both carriers"].OK)
	require.Contains(t, got["both carriers"].Detail, "header: 5 of 5 logins; envelope: RabbitMQ at amqp://guest:xxxxx@127.0.0.1:1/")
	require.Contains(t, got["go-zero exporter zipkin"].Detail, "/nonexistent/probe")
	for _, name := range []string{"logs of each login", "log records", "links", "panels", "alerts"} {
		require.False(t, got[name].OK)
		require.Contains(t, got[name].Detail, "does not answer")
	}

	require.Equal(t, 16, strings.Count(progress.String(), "\n"))
	require.Regexp(t, `(?m)^✓ parity +Jaeger and Tempo hold .* \(\d+\.\d s\)$`, progress.String())
	require.Regexp(t, `(?m)^✗ both carriers +header`, progress.String())
}

func TestABrokenPropagationIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		breakIt func(span ptrace.Span)
		want    string
	}{
		"no parent": {func(s ptrace.Span) { s.SetParentSpanID(pcommon.SpanID{}) },
			`span "send user.events:user.logged_in" of login-api has no parent; expected login-api POST /v1/login`},
		"parent not in the trace": {func(s ptrace.Span) { s.SetParentSpanID(pcommon.SpanID{0xaa}) },
			`span "send user.events:user.logged_in" of login-api has the parent aa00000000000000, which is not in the trace; expected login-api POST /v1/login`},
		"other parent": {func(s ptrace.Span) { s.SetParentSpanID(pcommon.SpanID{2}) },
			`span "send user.events:user.logged_in" of login-api has the parent login-api user.User/GetUserByMobile; expected login-api POST /v1/login`},
		"other kind": {func(s ptrace.Span) { s.SetKind(ptrace.SpanKindInternal) },
			`span "send user.events:user.logged_in" of login-api (PRODUCER) is missing; expected it below login-api "POST /v1/login" SERVER`},
	} {
		t.Run(name, func(t *testing.T) {
			f, target := newFakeStack(t)
			f.inStore = func(_ string, _ int, traces ptrace.Traces) { c.breakIt(findSpan(t, traces, "login-api", send)) }
			got := checks(t, target, Options{Logins: 2})
			require.False(t, got["expected tree"].OK)
			require.Contains(t, got["expected tree"].Detail, c.want)
			require.Regexp(t, `trace [0-9a-f]{32} in Jaeger and Tempo: span`, got["expected tree"].Detail)
			require.False(t, got["both carriers"].OK)
		})
	}
}

func TestAConsumerOutsideTheTraceIsFound(t *testing.T) {
	f, target := newFakeStack(t)
	f.stray = "0af7651916cd43dd8448eb211c80319c"
	f.inStore = func(_ string, _ int, traces ptrace.Traces) {
		findSpan(t, traces, "login-api", send).Attributes().PutStr("messaging.message.id", "m1")
		traces.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
			service, _ := rs.Resource().Attributes().Get("service.name")
			return service.Str() == "audit-mq"
		})
	}
	got := checks(t, target, Options{Logins: 2, TraceTimeout: 200 * time.Millisecond})
	require.Contains(t, got["logins"].Detail, "0 of 2 traces complete within 200ms")
	require.Contains(t, got["logins"].Detail, "holds 6 of 8 spans")
	require.Contains(t, got["expected tree"].Detail, `span "`+process+`" of audit-mq (CONSUMER) is missing; expected it below login-api "`+send+`" PRODUCER`)
	require.Contains(t, got["expected tree"].Detail, `that message's span "`+process+`" of audit-mq has no parent, in a trace of its own, `+f.stray+`; expected login-api `+send)
	require.NotContains(t, got["expected tree"].Detail, `span "sql" of audit-mq`, "what hangs below a missing span is not told again")
	require.False(t, got["freshness"].OK)
}

func TestAnUnexpectedSpanIsFound(t *testing.T) {
	f, target := newFakeStack(t)
	f.inStore = func(_ string, _ int, traces ptrace.Traces) {
		extra := traces.ResourceSpans().AppendEmpty()
		findSpanResource(traces, "audit-mq").CopyTo(extra)
		extra.ScopeSpans().At(0).Spans().At(0).SetSpanID(pcommon.SpanID{99})
	}
	got := checks(t, target, Options{Logins: 1})
	require.Contains(t, got["expected tree"].Detail, `span "`+process+`" of audit-mq (CONSUMER) is not expected; found it below login-api `+send)
}

func findSpanResource(traces ptrace.Traces, service string) ptrace.ResourceSpans {
	for _, rs := range traces.ResourceSpans().All() {
		if got, _ := rs.Resource().Attributes().Get("service.name"); got.Str() == service {
			return rs
		}
	}
	return ptrace.NewResourceSpans()
}

func TestParity(t *testing.T) {
	for want, change := range map[string]func(ptrace.Span){
		`attribute size is 1 (int64) in Jaeger and "1" in Tempo`:                     func(s ptrace.Span) { s.Attributes().PutStr("size", "1") },
		`attribute size is 1 (int64) in Jaeger and 1 (float64) in Tempo`:             func(s ptrace.Span) { s.Attributes().PutDouble("size", 1) },
		`attribute size is 1 (int64) in Jaeger and absent in Tempo`:                  func(s ptrace.Span) { s.Attributes().Remove("size") },
		`attribute more is absent in Jaeger and "x" in Tempo`:                        func(s ptrace.Span) { s.Attributes().PutStr("more", "x") },
		`kind is INTERNAL in Jaeger and CLIENT in Tempo`:                             func(s ptrace.Span) { s.SetKind(ptrace.SpanKindClient) },
		`name is "local" in Jaeger and "other" in Tempo`:                             func(s ptrace.Span) { s.SetName("other") },
		`parent is "0100000000000000" in Jaeger and "" in Tempo`:                     func(s ptrace.Span) { s.SetParentSpanID(pcommon.SpanID{}) },
		`status is UNSET in Jaeger and ERROR in Tempo`:                               func(s ptrace.Span) { s.Status().SetCode(ptrace.StatusCodeError) },
		`status message is "" in Jaeger and "m" in Tempo`:                            func(s ptrace.Span) { s.Status().SetMessage("m") },
		`start is 2023-11-14T22:13:20.000000005Z in Jaeger and 2023-11-14T22:13:20Z`: func(s ptrace.Span) { s.SetStartTimestamp(1_700_000_000_000_000_000) },
		`number of events is 0 in Jaeger and 1 in Tempo`:                             func(s ptrace.Span) { s.Events().AppendEmpty().SetName("e") },
		`number of links is 0 in Jaeger and 1 in Tempo`:                              func(s ptrace.Span) { s.Links().AppendEmpty() },
		`(0500000000000000) is in Jaeger only`:                                       func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{77}) },
	} {
		t.Run(want, func(t *testing.T) {
			f, target := newFakeStack(t)
			f.inStore = func(store string, login int, traces ptrace.Traces) {
				if store == "Tempo" && login == 1 {
					change(findSpan(t, traces, "login-api", "local"))
				}
			}
			got := checks(t, target, Options{Logins: 3})["parity"]
			require.False(t, got.OK)
			require.Contains(t, got.Detail, "hold the same of 2 of 3 traces")
			require.Contains(t, got.Detail, want)
			require.EqualValues(t, 2, got.Value)
		})
	}
}

func TestStoredOnce(t *testing.T) {
	f, target := newFakeStack(t)
	f.rows = 2
	got := checks(t, target, Options{Logins: 2})["stored once"]
	require.False(t, got.OK)
	require.Contains(t, got.Detail, "0 of 2 acknowledged logins have exactly one row")
	require.Contains(t, got.Detail, "has 2 rows")

	f.rows = 0
	got = checks(t, target, Options{Logins: 1, TraceTimeout: 300 * time.Millisecond})["stored once"]
	require.Contains(t, got.Detail, "has 0 rows")
}

func TestMobileNumbersAreFoundInEveryPlace(t *testing.T) {
	const other = "15912345678"
	traceID := regexp.MustCompile(`trace [0-9a-f]{32}`)
	for place, leak := range map[string]func(ptrace.Span){
		"name":                    func(s ptrace.Span) { s.Events().AppendEmpty(); /* keeps the tree */ s.SetName("login 13800000003") },
		"attribute url.query":     func(s ptrace.Span) { s.Attributes().PutStr("url.query", "a=1&mobile="+other+"&b=2") },
		"attribute number":        func(s ptrace.Span) { s.Attributes().PutInt("number", 15912345678) },
		"attribute list":          func(s ptrace.Span) { s.Attributes().PutEmptySlice("list").AppendEmpty().SetStr("+86" + other) },
		"attribute bytes":         func(s ptrace.Span) { s.Attributes().PutEmptyBytes("bytes").FromRaw([]byte(other)) },
		"attribute glued":         func(s ptrace.Span) { s.Attributes().PutStr("glued", "user13800000010x") },
		"status message":          func(s ptrace.Span) { s.Status().SetMessage("no user " + other) },
		"event name":              func(s ptrace.Span) { s.Events().AppendEmpty().SetName(other) },
		"attribute of event e to": func(s ptrace.Span) { e := s.Events().AppendEmpty(); e.SetName("e"); e.Attributes().PutStr("to", other) },
		"link attribute to":       func(s ptrace.Span) { s.Links().AppendEmpty().Attributes().PutStr("to", other) },
	} {
		t.Run(place, func(t *testing.T) {
			f, target := newFakeStack(t)
			f.inStore = func(_ string, _ int, traces ptrace.Traces) { leak(findSpan(t, traces, "login-api", "local")) }
			got := checks(t, target, Options{Logins: 1})["no mobile number"]
			require.False(t, got.OK)
			require.Contains(t, got.Detail, "has a mobile number in its "+place)
			if place != "name" { // a name is what the report calls the span by
				require.NotRegexp(t, `1[35]\d{9}`, traceID.ReplaceAllString(got.Detail, "")) // an id may look like a number
			}
		})
	}
}

func TestNoMobileNumber(t *testing.T) {
	for _, text := range []string{"", "138****0001", "1700000000", "1700000000000", "13912345678901", "0.13912345678", "f13912345678a", "192.168.13.1:45678", "12345678901"} {
		require.False(t, hasMobile(text), text)
	}
}

func TestAStoreThatIsDownOrHangsFailsTheChecks(t *testing.T) {
	_, target := newFakeStack(t)
	down := target
	down.TempoURL = "http://127.0.0.1:1"
	got := checks(t, down, Options{Logins: 2})
	require.Contains(t, got["logins"].Detail, "Tempo does not answer")
	require.Contains(t, got["logins"].Detail, "127.0.0.1:1")
	for _, name := range []string{"expected tree", "parity", "freshness", "stored once", "no mobile number"} {
		require.False(t, got[name].OK)
		require.Contains(t, got[name].Detail, "see the check logins")
	}

	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client left
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close)
	target.LoginURL = hanging.URL
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	result := Run(ctx, target, Options{Logins: 2, ProbeCommand: []string{"/nonexistent/probe"}})
	require.False(t, result.OK)
	require.Contains(t, result.Checks[0].Detail, "login-api is unavailable")
}

func TestResultAsJSON(t *testing.T) {
	encoded, err := json.Marshal(Result{OK: true, Checks: []Check{{Name: "freshness", OK: true, Detail: "d", Value: 850, Unit: "ms"}}})
	require.NoError(t, err)
	require.JSONEq(t, `{"ok":true,"checks":[{"name":"freshness","ok":true,"detail":"d","value":850,"unit":"ms"}]}`, string(encoded))
}

func TestShowLogin(t *testing.T) {
	f, target := newFakeStack(t)
	var out strings.Builder
	require.NoError(t, ShowLogin(t.Context(), target, &out, true))
	require.Contains(t, out.String(), "└─ audit-mq  sql")
	require.True(t, strings.HasSuffix(out.String(), "\nJaeger and Tempo hold the same 8 spans\n"), out.String())

	f.inStore = func(store string, _ int, traces ptrace.Traces) {
		if store == "Tempo" {
			findSpan(t, traces, "login-api", "local").SetName("changed")
		}
	}
	require.ErrorContains(t, ShowLogin(t.Context(), target, &out, true), `Jaeger and Tempo differ in trace`)
}

func TestShowLoginWhileAPartIsAway(t *testing.T) {
	_, target := newFakeStack(t)
	target.JaegerURL = "http://127.0.0.1:1"
	var out strings.Builder
	require.NoError(t, ShowLogin(t.Context(), target, &out, false))
	require.Contains(t, out.String(), "└─ audit-mq  sql")

	out.Reset()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, ShowLogin(ctx, target, &out, true), "Jaeger does not answer")
	require.Contains(t, out.String(), "└─ audit-mq  sql", "what there is is shown")

	target.LoginURL = "http://127.0.0.1:1"
	require.ErrorContains(t, ShowLogin(ctx, target, &out, false), "login-api is unavailable")
}

// TestNoLoginIsTriedBeforeLoginAPIIsReady: the breaker of login-api counts what fails,
// and refuses the first logins of others for it.
func TestNoLoginIsTriedBeforeLoginAPIIsReady(t *testing.T) {
	f, target := newFakeStack(t)
	f.early = 3
	_, refused, err := logInWhenReady(t.Context(), target.LoginURL, demo.Users[0])
	require.NoError(t, err)
	require.Zero(t, refused)

	f.early = 1_000_000
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, refused, err = logInWhenReady(ctx, target.LoginURL, demo.Users[0])
	require.ErrorContains(t, err, "/readyz: 503 Service Unavailable: not connected to RabbitMQ")
	require.Zero(t, refused)
}
