package verify

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"throughline/internal/demo"
	"throughline/internal/flow"
)

// fakeStack answers as login-api, audit-mq, Jaeger and Tempo.
type fakeStack struct {
	mu      sync.Mutex
	users   map[string]int64 // by trace id
	rows    int              // audit rows of each login
	delay   time.Duration    // from a login to its trace
	born    map[string]time.Time
	inStore func(store string, login int, traces ptrace.Traces) // changes what a store holds
	stray   string                                              // the id of a trace that only a consumer span is in
	order   map[string]int
	early   int // requests until login-api is ready, of which each login is a failed one
}

func newFakeStack(t *testing.T) (*fakeStack, Target) {
	t.Helper()
	f := &fakeStack{users: map[string]int64{}, rows: 1, born: map[string]time.Time{}, order: map[string]int{},
		inStore: func(string, int, ptrace.Traces) {}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", f.ready)
	mux.HandleFunc("POST /v1/login", f.login)
	mux.HandleFunc("GET /v1/logins", f.logins)
	mux.HandleFunc("GET /api/v3/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		if traces, ok := f.trace(t, "Jaeger", path.Base(r.URL.Path)); ok {
			body, err := new(ptrace.JSONMarshaler).MarshalTraces(traces)
			require.NoError(t, err)
			_, _ = fmt.Fprintf(w, `{"result":%s}`, body)
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("GET /api/v2/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		if traces, ok := f.trace(t, "Tempo", path.Base(r.URL.Path)); ok {
			body, err := new(ptrace.ProtoMarshaler).MarshalTraces(traces)
			require.NoError(t, err)
			_, _ = w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), body))
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("GET /api/search", func(w http.ResponseWriter, r *http.Request) {
		require.Contains(t, r.FormValue("q"), `span.messaging.message.id = "m1"`)
		_, _ = fmt.Fprintf(w, `{"traces":[{"traceID":%q}]}`, f.stray)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return f, Target{
		LoginURL: server.URL, AuditURL: server.URL, JaegerURL: server.URL, TempoURL: server.URL,
		RabbitMQURL: "amqp://guest:secret@127.0.0.1:1/", OTLPGRPC: "127.0.0.1:1", OTLPHTTP: "http://127.0.0.1:1",
		ZipkinURL: "http://127.0.0.1:1/api/v2/spans",
	}
}

func (f *fakeStack) ready(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.early > 0 {
		f.early--
		http.Error(w, "not connected to RabbitMQ", http.StatusServiceUnavailable)
	}
}

func (f *fakeStack) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ Mobile string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.early > 0 {
		f.early--
		http.Error(w, "not connected to RabbitMQ", http.StatusServiceUnavailable)
		return
	}
	for _, user := range demo.Users {
		if user.Mobile == body.Mobile {
			f.users[id] = user.ID
		}
	}
	f.born[id] = time.Now()
	f.order[id] = len(f.order)
	w.Header().Set(demo.TraceIDHeader, id)
}

func (f *fakeStack) logins(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.FormValue("trace_id")
	audit := demo.Audit{}
	if user, ok := f.users[id]; ok {
		for range f.rows {
			audit.Logins = append(audit.Logins, demo.StoredLogin{UserID: user, TraceID: id})
		}
		audit.Total = f.rows
	}
	_ = json.NewEncoder(w).Encode(audit)
}

func (f *fakeStack) trace(t *testing.T, store, id string) (ptrace.Traces, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == f.stray {
		consumed := produced.Children
		traces := tracesOf(t, id, consumed)
		findSpan(t, traces, consumed[0].Service, consumed[0].Name).Attributes().PutStr("messaging.message.id", "m1")
		return traces, true
	}
	born, ok := f.born[id]
	if !ok || time.Since(born) < f.delay {
		return ptrace.Traces{}, false
	}
	traces := tracesOf(t, id, loginTree)
	f.inStore(store, f.order[id], traces)
	return traces, true
}

// tracesOf builds the trace that a tree expects, one resource for each span.
func tracesOf(t *testing.T, traceID string, tree []flow.Span) ptrace.Traces {
	t.Helper()
	var id pcommon.TraceID
	_, err := hex.Decode(id[:], []byte(traceID))
	require.NoError(t, err)
	kinds := map[string]ptrace.SpanKind{"SERVER": ptrace.SpanKindServer, "CLIENT": ptrace.SpanKindClient, "INTERNAL": ptrace.SpanKindInternal,
		"PRODUCER": ptrace.SpanKindProducer, "CONSUMER": ptrace.SpanKindConsumer}
	traces := ptrace.NewTraces()
	next := byte(0)
	var add func(e flow.Span, parent pcommon.SpanID)
	add = func(e flow.Span, parent pcommon.SpanID) {
		next++
		rs := traces.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", e.Service)
		span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetTraceID(id)
		span.SetSpanID(pcommon.SpanID{next})
		span.SetParentSpanID(parent)
		span.SetName(e.Name)
		span.SetKind(kinds[string(e.Kind)])
		span.SetStartTimestamp(pcommon.Timestamp(1_700_000_000_000_000_000 + uint64(next)))
		span.SetEndTimestamp(pcommon.Timestamp(1_700_000_000_001_000_000 + uint64(next)))
		span.Attributes().PutInt("size", 1)
		for _, child := range e.Children {
			add(child, span.SpanID())
		}
	}
	for _, root := range tree {
		add(root, pcommon.SpanID{})
	}
	return traces
}

// findSpan returns the span with the given service and name, to change it.
func findSpan(t *testing.T, traces ptrace.Traces, service, name string) ptrace.Span {
	t.Helper()
	for _, rs := range traces.ResourceSpans().All() {
		got, _ := rs.Resource().Attributes().Get("service.name")
		span := rs.ScopeSpans().At(0).Spans().At(0)
		if got.Str() == service && span.Name() == name {
			return span
		}
	}
	t.Fatalf("no span %s of %s", name, service)
	return ptrace.Span{}
}
