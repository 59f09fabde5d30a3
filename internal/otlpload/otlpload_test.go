package otlpload

import (
	"context"
	"errors"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// receiver answers each request as the next of its answers says, then with
// success, and keeps what it has taken.
type receiver struct {
	ptraceotlp.UnimplementedGRPCServer
	mu       sync.Mutex
	answers  []func() (ptraceotlp.ExportResponse, error)
	requests []time.Time
	spans    map[string]int // by span id
}

func (r *receiver) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, time.Now())
	answer := func() (ptraceotlp.ExportResponse, error) { return ptraceotlp.NewExportResponse(), nil }
	if len(r.answers) > 0 {
		answer, r.answers = r.answers[0], r.answers[1:]
	}
	response, err := answer()
	if err == nil {
		for span := range spans(request.Traces()) {
			r.spans[span.SpanID().String()]++
		}
	}
	return response, err
}

func refuse(code codes.Code, details ...*errdetails.RetryInfo) func() (ptraceotlp.ExportResponse, error) {
	return func() (ptraceotlp.ExportResponse, error) {
		answer := status.New(code, "not now")
		for _, detail := range details {
			answer, _ = answer.WithDetails(detail)
		}
		return ptraceotlp.NewExportResponse(), answer.Err()
	}
}

func startReceiver(t *testing.T, answers ...func() (ptraceotlp.ExportResponse, error)) (*receiver, *Client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &receiver{answers: answers, spans: map[string]int{}}
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, r)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	client, err := Dial(listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return r, client
}

func TestWhatIsRefusedForNowIsSentAgain(t *testing.T) {
	asked := 300 * time.Millisecond
	r, client := startReceiver(t,
		refuse(codes.Unavailable), refuse(codes.DeadlineExceeded), refuse(codes.Unavailable),
		refuse(codes.ResourceExhausted, &errdetails.RetryInfo{RetryDelay: durationpb.New(asked)}))
	want := map[string]int{}
	var senders errgroup.Group
	for range 20 {
		_, traces := Trace(OK)
		for span := range spans(traces) {
			want[span.SpanID().String()] = 1
		}
		senders.Go(func() error { return client.Send(t.Context(), traces) })
	}
	require.NoError(t, senders.Wait())
	assert.Equal(t, want, r.spans)
	assert.EqualValues(t, len(want), client.Acknowledged())
	assert.Len(t, r.requests, 24)
}

func TestTheClientWaitsAsLongAsTheReceiverAsks(t *testing.T) {
	asked := 700 * time.Millisecond
	r, client := startReceiver(t, refuse(codes.ResourceExhausted, &errdetails.RetryInfo{RetryDelay: durationpb.New(asked)}))
	_, traces := Trace(OK)
	require.NoError(t, client.Send(t.Context(), traces))
	require.Len(t, r.requests, 2)
	assert.GreaterOrEqual(t, r.requests[1].Sub(r.requests[0]), asked)
}

func TestWhatIsRefusedForGoodIsAnErrorAndNotAcknowledged(t *testing.T) {
	partly := func() (ptraceotlp.ExportResponse, error) {
		response := ptraceotlp.NewExportResponse()
		response.PartialSuccess().SetRejectedSpans(3)
		response.PartialSuccess().SetErrorMessage("three are too many")
		return response, nil
	}
	_, client := startReceiver(t, refuse(codes.InvalidArgument), refuse(codes.ResourceExhausted), partly)
	_, traces := Trace(OK)
	assert.ErrorContains(t, client.Send(t.Context(), traces), "InvalidArgument")
	assert.ErrorContains(t, client.Send(t.Context(), traces), "ResourceExhausted")
	assert.Zero(t, client.Acknowledged())
	assert.ErrorContains(t, client.Send(t.Context(), traces), "three are too many")
	assert.EqualValues(t, traces.SpanCount()-3, client.Acknowledged())
}

func TestTheEndOfTheContextIsAnError(t *testing.T) {
	client, err := Dial("127.0.0.1:1")
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	given := errors.New("enough")
	time.AfterFunc(100*time.Millisecond, func() { cancel(given) })
	_, traces := Trace(OK)
	err = client.Send(ctx, traces)
	assert.ErrorIs(t, err, given)
	assert.ErrorContains(t, err, "connection refused")
	assert.Zero(t, client.Acknowledged())
}

func TestATraceIsWholeAndNew(t *testing.T) {
	for kind, count := range map[Kind]int{OK: 8, Failed: 2, Slow: 8, DeadLettered: 8} {
		id, traces := Trace(kind)
		again, _ := Trace(kind)
		assert.NotEqual(t, id, again)
		assert.Equal(t, count, traces.SpanCount(), "kind %d", kind)
		ids := map[string]bool{"": true} // the root has no parent
		for span := range spans(traces) {
			assert.Equal(t, id, span.TraceID().String())
			ids[span.SpanID().String()] = true
		}
		assert.Len(t, ids, count+1, "kind %d: ids repeat", kind)
		for span := range spans(traces) {
			assert.True(t, ids[span.ParentSpanID().String()], "kind %d: %s has a parent elsewhere", kind, span.Name())
		}
		_, last := bounds(traces)
		assert.WithinDuration(t, time.Now(), last.AsTime(), 10*time.Second)
	}
}

func TestEachKindIsWhatItsNameSays(t *testing.T) {
	find := func(kind Kind, name string) ptrace.Span {
		_, traces := Trace(kind)
		for span := range spans(traces) {
			if span.Name() == name {
				return span
			}
		}
		t.Fatalf("kind %d has no span %s", kind, name)
		return ptrace.Span{}
	}
	lasts := func(span ptrace.Span) time.Duration {
		return span.EndTimestamp().AsTime().Sub(span.StartTimestamp().AsTime())
	}
	const root = "/v1/login"
	assert.Less(t, lasts(find(OK, root)), time.Second)
	assert.Greater(t, lasts(find(Slow, root)), 2*time.Second)
	assert.NotEqual(t, ptrace.StatusCodeError, find(OK, root).Status().Code())
	assert.Equal(t, ptrace.StatusCodeError, find(Failed, root).Status().Code())
	assert.Equal(t, ptrace.StatusCodeError, find(Failed, "user.User/GetUserByMobile").Status().Code())
	process := find(DeadLettered, "process user.events:user.logged_in:user.events.audit")
	assert.Equal(t, ptrace.StatusCodeError, process.Status().Code())
	assert.Equal(t, ptrace.SpanKindProducer, find(DeadLettered, "send user.events.audit.dead").Kind())
}

func TestABatchKeepsEverySpanAndGroupsThemByService(t *testing.T) {
	const traces = 64
	ids := map[string]bool{}
	var all []ptrace.Traces
	for range traces {
		id, trace := Trace(OK)
		ids[id] = true
		all = append(all, trace)
	}
	batch := Batch(all...)
	assert.Equal(t, 8*traces, batch.SpanCount())
	assert.Equal(t, 3, batch.ResourceSpans().Len())
	found := map[string]bool{}
	for span := range spans(batch) {
		found[span.TraceID().String()] = true
	}
	assert.Equal(t, ids, found)
}

func TestTheRecordingsHoldNoMobileNumber(t *testing.T) {
	files, err := recordings.ReadDir(".")
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		text, err := recordings.ReadFile(file.Name())
		require.NoError(t, err)
		assert.NotRegexp(t, regexp.MustCompile(`\b(86)?1[3-9]\d{9}\b`), string(text))
	}
}

func BenchmarkBatch(b *testing.B) {
	for b.Loop() {
		var all []ptrace.Traces
		for range 64 {
			_, trace := Trace(OK)
			all = append(all, trace)
		}
		Batch(all...)
	}
}
