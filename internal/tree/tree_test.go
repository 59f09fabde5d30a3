package tree

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

func span(id, parent, service, name string, kind backend.Kind, start, duration time.Duration) backend.Span {
	epoch := time.Unix(1_700_000_000, 0)
	return backend.Span{SpanID: id, ParentID: parent, Service: service, Name: name, Kind: kind,
		Start: epoch.Add(start), End: epoch.Add(start + duration)}
}

func printed(t *testing.T, spans ...backend.Span) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, Print(&out, backend.Trace{ID: "0af7651916cd43dd8448eb211c80319c", Spans: spans}))
	return "\n" + out.String()
}

func TestTree(t *testing.T) {
	const ms, us = time.Millisecond, time.Microsecond
	failing := span("c", "b", "user-rpc", "user.User/GetUserByMobile", backend.Server, 200*us, 1500*us)
	failing.StatusCode, failing.StatusMessage = backend.StatusError, "not found"
	require.Equal(t, `
trace 0af7651916cd43dd8448eb211c80319c  5 spans, 3 services, 20.0 ms
login-api  POST /v1/login                         SERVER       +0 µs  12.3 ms
├─ login-api  user.User/GetUserByMobile           CLIENT     +100 µs  2.00 ms
│  └─ user-rpc  user.User/GetUserByMobile         SERVER     +200 µs  1.50 ms  ✗ error not found
└─ login-api  send user.events:user.logged_in     PRODUCER  +9.00 ms  2.50 ms
   └─ audit-mq  process user.events:u.l_in:audit  CONSUMER  +15.0 ms  5.00 ms
`, printed(t,
		span("a", "", "login-api", "POST /v1/login", backend.Server, 0, 12345*us),
		span("b", "a", "login-api", "user.User/GetUserByMobile", backend.Client, 100*us, 2*ms),
		failing,
		span("d", "a", "login-api", "send user.events:user.logged_in", backend.Producer, 9*ms, 2500*us),
		span("e", "d", "audit-mq", "process user.events:u.l_in:audit", backend.Consumer, 15*ms, 5*ms),
	))
}

func TestTreeWithOrphansAndSeveralRoots(t *testing.T) {
	require.Equal(t, `
trace 0af7651916cd43dd8448eb211c80319c  5 spans, 1 service, 1.25 s
s  first       INTERNAL     +0 µs     1 µs
s  second      INTERNAL  +10.0 ms   1.25 s
parent ffff missing
├─ s  orphan   INTERNAL  +1.00 ms     5 µs
│  └─ s  leaf  INTERNAL  +2.00 ms     0 µs
└─ s  other    INTERNAL  +3.00 ms  1.00 ms
`, printed(t,
		span("a", "", "s", "first", backend.Internal, 0, time.Microsecond),
		span("b", "ffff", "s", "orphan", backend.Internal, time.Millisecond, 5*time.Microsecond),
		span("c", "b", "s", "leaf", backend.Internal, 2*time.Millisecond, 0),
		span("d", "ffff", "s", "other", backend.Internal, 3*time.Millisecond, time.Millisecond),
		span("e", "", "s", "second", backend.Internal, 10*time.Millisecond, 1245*time.Millisecond),
	))
}

func TestTreeOfATraceWithoutSpans(t *testing.T) {
	require.Equal(t, "\ntrace 0af7651916cd43dd8448eb211c80319c  0 spans, 0 services, 0 µs\n", printed(t))
}

func TestASpanIDThatOccursTwiceEnds(t *testing.T) {
	twice := span("a", "a", "s", "loop", backend.Internal, 0, 0)
	root := span("a", "", "s", "root", backend.Internal, 0, 0)
	require.Contains(t, printed(t, root, twice), "└─ s  loop")
}

func TestServicesHaveDifferentColours(t *testing.T) {
	var spans []backend.Span
	for _, service := range []string{"login-api", "user-rpc", "audit-mq", "throughline-verify", "gozero-zipkin"} {
		spans = append(spans, span(service, "", service, "x", backend.Internal, 0, 0))
	}
	colours := newPainter(&strings.Builder{}, backend.Trace{Spans: spans}).services
	seen := map[string]bool{}
	for _, c := range colours {
		c.EnableColor()
		seen[c.Sprint("x")] = true
	}
	require.Len(t, seen, len(spans))
}
