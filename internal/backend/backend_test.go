package backend

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"
)

const traceID = "0af7651916cd43dd8448eb211c80319c"

// twoSpans is a trace with a value of every type, in the reverse of its order.
func twoSpans(t *testing.T) ptrace.Traces {
	t.Helper()
	var id pcommon.TraceID
	_, err := hex.Decode(id[:], []byte(traceID))
	require.NoError(t, err)

	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "login-api")
	rs.Resource().Attributes().PutInt("process.pid", 42)
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go-zero")
	ss.Scope().SetVersion("1.2.3")

	child := ss.Spans().AppendEmpty()
	child.SetTraceID(id)
	child.SetSpanID(pcommon.SpanID{2})
	child.SetParentSpanID(pcommon.SpanID{1})
	child.SetName("local")
	child.SetKind(ptrace.SpanKindInternal)
	child.SetStartTimestamp(1_700_000_000_000_000_789)
	child.SetEndTimestamp(1_700_000_000_000_001_789)
	child.Status().SetCode(ptrace.StatusCodeError)
	child.Status().SetMessage("no")
	child.Attributes().PutStr("text", "1")
	child.Attributes().PutInt("int", 1)
	child.Attributes().PutDouble("double", 1)
	child.Attributes().PutBool("bool", true)
	child.Attributes().PutEmptyBytes("bytes").FromRaw([]byte{1})
	list := child.Attributes().PutEmptySlice("list")
	list.AppendEmpty().SetStr("a")
	list.AppendEmpty().SetInt(2)
	for i, name := range []string{"second", "first"} {
		event := child.Events().AppendEmpty()
		event.SetName(name)
		event.SetTimestamp(pcommon.Timestamp(1_700_000_000_000_000_900 - i))
	}
	link := child.Links().AppendEmpty()
	link.SetTraceID(id)
	link.SetSpanID(pcommon.SpanID{9})

	root := ss.Spans().AppendEmpty()
	root.SetTraceID(id)
	root.SetSpanID(pcommon.SpanID{1})
	root.SetName("POST /v1/login")
	root.SetKind(ptrace.SpanKindServer)
	root.SetStartTimestamp(1_700_000_000_000_000_000)
	root.SetEndTimestamp(1_700_000_000_000_002_000)
	return traces
}

func jaegerAnswer(t *testing.T, traces ptrace.Traces) []byte {
	t.Helper()
	body, err := new(ptrace.JSONMarshaler).MarshalTraces(traces)
	require.NoError(t, err)
	return []byte(`{"result":` + string(body) + `}`)
}

func tempoAnswer(t *testing.T, traces ptrace.Traces, status uint64) []byte {
	t.Helper()
	trace, err := new(ptrace.ProtoMarshaler).MarshalTraces(traces)
	require.NoError(t, err)
	body := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), trace)
	body = protowire.AppendBytes(protowire.AppendTag(body, 2, protowire.BytesType), nil) // metrics
	return protowire.AppendVarint(protowire.AppendTag(body, 3, protowire.VarintType), status)
}

func serve(t *testing.T, status int, body []byte) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestBothStoresGiveTheSameModel(t *testing.T) {
	jaeger := NewJaeger(serve(t, http.StatusOK, jaegerAnswer(t, twoSpans(t))) + "/")
	tempo := NewTempo(serve(t, http.StatusOK, tempoAnswer(t, twoSpans(t), 0)))
	for _, store := range []TraceStore{jaeger, tempo} {
		trace, err := store.Trace(t.Context(), traceID)
		require.NoError(t, err, store.Name())
		require.Equal(t, traceID, trace.ID)
		require.Len(t, trace.Spans, 2)
		require.Equal(t, []string{"login-api"}, trace.Services())

		root, child := trace.Spans[0], trace.Spans[1]
		require.Equal(t, "POST /v1/login", root.Name)
		require.Equal(t, Server, root.Kind)
		require.Empty(t, root.ParentID)
		require.Equal(t, StatusUnset, root.StatusCode)
		require.Nil(t, root.Attributes)

		require.Equal(t, root.SpanID, child.ParentID)
		require.Equal(t, Attributes{
			"text": "1", "int": int64(1), "double": 1.0, "bool": true, "bytes": []byte{1}, "list": []any{"a", int64(2)},
		}, child.Attributes)
		require.Equal(t, Attributes{"service.name": "login-api", "process.pid": int64(42)}, child.Resource)
		require.Equal(t, Scope{Name: "go-zero", Version: "1.2.3"}, child.Scope)
		require.Equal(t, StatusError, child.StatusCode)
		require.Equal(t, "no", child.StatusMessage)
		require.Equal(t, time.Microsecond, child.Duration())
		require.Equal(t, 789, child.Start.Nanosecond())
		require.Equal(t, "first", child.Events[0].Name)
		require.Equal(t, "0900000000000000", child.Links[0].SpanID)
	}
}

func TestNotFound(t *testing.T) {
	empty := ptrace.NewTraces()
	for name, store := range map[string]TraceStore{
		"Jaeger 404":   NewJaeger(serve(t, http.StatusNotFound, []byte(`{"error":{"httpCode":404}}`))),
		"Jaeger empty": NewJaeger(serve(t, http.StatusOK, []byte(`{"result":{}}`))),
		"Tempo 404":    NewTempo(serve(t, http.StatusNotFound, nil)),
		"Tempo empty":  NewTempo(serve(t, http.StatusOK, tempoAnswer(t, empty, 0))),
	} {
		_, err := store.Trace(t.Context(), traceID)
		require.ErrorIs(t, err, ErrNotFound, name)
		require.ErrorContains(t, err, traceID, name)
		require.NoError(t, Reachable(t.Context(), store), name)
	}
}

func TestErrorsNameTheAddress(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	for name, url := range map[string]string{
		"down":    down.URL,
		"failing": serve(t, http.StatusInternalServerError, []byte("out of disk")),
		"garbage": serve(t, http.StatusOK, []byte("<html>")),
	} {
		for _, store := range []TraceStore{NewJaeger(url), NewTempo(url)} {
			_, err := store.Trace(t.Context(), traceID)
			require.ErrorContains(t, err, url[len("http://"):], name+" "+store.Name())
			require.ErrorContains(t, err, store.Name(), name)
			require.NotErrorIs(t, err, ErrNotFound, name)
			require.Error(t, Reachable(t.Context(), store), name)
		}
	}
}

func TestTempoPartialTraceIsAnError(t *testing.T) {
	_, err := NewTempo(serve(t, http.StatusOK, tempoAnswer(t, twoSpans(t), 1))).Trace(t.Context(), traceID)
	require.ErrorContains(t, err, "only a part")
}

func TestParseTraceID(t *testing.T) {
	id, err := ParseTraceID(" 0AF7651916CD43DD8448EB211C80319C\n")
	require.NoError(t, err)
	require.Equal(t, traceID, id)
	id, err = ParseTraceID(strings.TrimLeft(traceID, "0"))
	require.NoError(t, err)
	require.Equal(t, traceID, id, "as Tempo's search writes it")
	for _, bad := range []string{"", "0af7", traceID + "00", "0af7651916cd43dd8448eb211c80319g", "00000000000000000000000000000000", "../../../../../../../../../../x"} {
		_, err := ParseTraceID(bad)
		require.ErrorContains(t, err, fmt.Sprintf("%q is not a trace id", bad))
		_, err = NewJaeger("http://127.0.0.1:1").Trace(t.Context(), bad)
		require.ErrorContains(t, err, "is not a trace id")
	}
}

func TestWaitForSpans(t *testing.T) {
	whole := tempoAnswer(t, twoSpans(t), 0)
	var looks atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch looks.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write(whole)
		}
	}))
	t.Cleanup(server.Close)
	trace, err := WaitForSpans(t.Context(), NewTempo(server.URL), traceID, 2)
	require.NoError(t, err)
	require.Len(t, trace.Spans, 2)
	require.EqualValues(t, 3, looks.Load())

	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	trace, err = WaitForSpans(ctx, NewTempo(server.URL), traceID, 3)
	require.ErrorContains(t, err, "Tempo holds 2 of 3 spans")
	require.Len(t, trace.Spans, 2, "what there is is returned")
}

func TestWaitForSpansSaysWhyThereIsNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, err := WaitForSpans(ctx, NewJaeger(serve(t, http.StatusNotFound, nil)), traceID, 1)
	require.ErrorIs(t, err, ErrNotFound)

	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hanging.Close)
	_, err = WaitForSpans(ctx, NewJaeger(hanging.URL), traceID, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "Jaeger")
}

func TestSearch(t *testing.T) {
	ids, err := NewTempo(serve(t, http.StatusOK, []byte(`{"traces":[{"traceID":"af7651916cd43dd8448eb211c80319c"}]}`))).
		SearchIn(t.Context(), `{ name = "local" }`, Last(time.Hour), 5)
	require.NoError(t, err)
	require.Equal(t, []string{traceID}, ids)
}
