package fault

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"

	"throughline/internal/stack"
)

// fakeStack notes what is done to it. Its collector takes the marks.
type fakeStack struct {
	plogotlp.UnimplementedGRPCServer

	mu     sync.Mutex
	done   []string
	away   string // the part that does not run
	fails  string // what fails
	login  string // URL
	otlp   string // host:port
	locked error
}

func newFakeStack(t *testing.T) *fakeStack {
	t.Helper()
	s := &fakeStack{}
	logins := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(logins.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	collector := grpc.NewServer()
	plogotlp.RegisterGRPCServer(collector, s)
	go func() { _ = collector.Serve(listener) }()
	t.Cleanup(collector.Stop)
	s.login, s.otlp = logins.URL, listener.Addr().String()
	return s
}

func (s *fakeStack) note(what ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(what, " ")
	s.done = append(s.done, text)
	if text == s.fails {
		return errors.New("it does not")
	}
	return nil
}

func (s *fakeStack) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	resource := request.Logs().ResourceLogs().At(0)
	record := resource.ScopeLogs().At(0).LogRecords().At(0)
	service, _ := resource.Resource().Attributes().Get("service.name")
	name, _ := record.Attributes().Get("fault.name")
	phase, _ := record.Attributes().Get("fault.phase")
	if !strings.HasPrefix(record.Body().Str(), name.Str()+" "+phase.Str()) || time.Since(record.Timestamp().AsTime()) > time.Minute {
		return plogotlp.NewExportResponse(), errors.New(record.Body().Str())
	}
	return plogotlp.NewExportResponse(), s.note("mark", service.Str(), phase.Str())
}

func (s *fakeStack) OwnParts() []string { return []string{"user-rpc", "tempo"} }
func (s *fakeStack) Endpoints() stack.Endpoints {
	return stack.Endpoints{LoginAPI: s.login, OTLPGRPC: s.otlp}
}
func (s *fakeStack) Usage(part string) (stack.Usage, error) {
	if part == s.away {
		return stack.Usage{}, errors.New(part + " does not run")
	}
	return stack.Usage{}, nil
}
func (s *fakeStack) Lock() (func(), error) {
	return func() { _ = s.note("unlock") }, errors.Join(s.locked, s.note("lock"))
}
func (s *fakeStack) Kill(part string) error                    { return s.note("kill", part) }
func (s *fakeStack) Stop(_ context.Context, part string) error { return s.note("stop", part) }
func (s *fakeStack) Start(ctx context.Context, part string, env ...string) error {
	if ctx.Err() != nil && len(env) == 0 {
		return ctx.Err()
	}
	return s.note(append([]string{"start", part}, env...)...)
}

func run(ctx context.Context, t *testing.T, s *fakeStack, name string, duration time.Duration) (said string, err error) {
	t.Helper()
	f, err := Find(s, name)
	require.NoError(t, err)
	var out bytes.Buffer
	err = f.Run(ctx, s, Options{Rate: 20, Duration: duration, Progress: &out})
	return out.String(), err
}

func marked(steps ...string) []string {
	return slices.Concat([]string{"lock", "mark " + Service + " begins"}, steps, []string{"mark " + Service + " ends", "unlock"})
}

func TestFaultsHaveNames(t *testing.T) {
	var names []string
	for _, f := range All(&fakeStack{}) {
		names = append(names, f.Name)
		assert.NotEmpty(t, f.Does)
		assert.NotEmpty(t, f.Look)
	}
	assert.Equal(t, []string{"burst", "slow-consumer", "failing-consumer", "poison", "errors", "kill-user-rpc", "kill-tempo", "stop-user-rpc", "stop-tempo"}, names)
	_, err := Find(&fakeStack{}, "fire")
	require.ErrorContains(t, err, `there is no fault "fire": give one of burst, slow-consumer`)
}

func TestAFaultIsMarkedAndPutBack(t *testing.T) {
	for name, want := range map[string][]string{
		"errors":           nil,
		"slow-consumer":    {"start audit-mq AUDIT_MQ_DELAY=1s", "start audit-mq"},
		"failing-consumer": {"start audit-mq AUDIT_MQ_FAILURE_RATIO=0.7", "start audit-mq"},
	} {
		s := newFakeStack(t)
		said, err := run(t.Context(), t, s, name, 300*time.Millisecond)
		require.NoError(t, err)
		assert.Equal(t, marked(want...), s.done, name)
		assert.Contains(t, said, "everything is as it was")
	}
}

func TestAnInterruptedFaultIsPutBack(t *testing.T) {
	for name, want := range map[string][]string{
		"slow-consumer": {"start audit-mq AUDIT_MQ_DELAY=1s", "start audit-mq"},
		"kill-tempo":    {"kill tempo", "start tempo"},
		"stop-user-rpc": {"stop user-rpc", "start user-rpc"},
	} {
		s := newFakeStack(t)
		ctx, interrupt := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		_, err := run(ctx, t, s, name, time.Hour)
		interrupt()
		require.NoError(t, err)
		assert.Less(t, time.Since(began), 5*time.Second)
		assert.Equal(t, marked(want...), s.done, name)
	}
}

func TestWhatFailsIsToldAndPutBack(t *testing.T) {
	s := newFakeStack(t)
	s.fails = "stop tempo"
	ctx, interrupt := context.WithTimeout(t.Context(), time.Second)
	defer interrupt()
	_, err := run(ctx, t, s, "stop-tempo", time.Hour)
	require.ErrorContains(t, err, "it does not")
	assert.Equal(t, marked("stop tempo", "start tempo"), s.done)

	s = newFakeStack(t)
	s.fails = "start tempo"
	_, err = run(ctx, t, s, "stop-tempo", time.Hour)
	require.ErrorContains(t, err, "tempo may not run: it does not; run `throughline up`")
}

func TestNothingIsBrokenThatDoesNotRunOrIsInUse(t *testing.T) {
	for _, part := range []string{"login-api", "audit-mq", "tempo"} {
		s := newFakeStack(t)
		s.away = part
		_, err := run(t.Context(), t, s, "kill-tempo", time.Hour)
		require.ErrorContains(t, err, part+" does not run, so there is nothing to break: run `throughline up` first")
		assert.Empty(t, s.done)
	}
	s := newFakeStack(t)
	s.locked = errors.New("throughline up (pid 1) is at work")
	_, err := run(t.Context(), t, s, "kill-tempo", time.Hour)
	require.ErrorContains(t, err, "throughline up (pid 1) is at work")
	assert.Equal(t, []string{"lock"}, s.done)
	_, err = run(t.Context(), t, s, "kill-tempo", 0)
	require.ErrorContains(t, err, "a duration above 0")
}

func TestAFaultGoesOnWithoutItsMark(t *testing.T) {
	s := newFakeStack(t)
	s.fails = "mark " + Service + " begins"
	said, err := run(t.Context(), t, s, "errors", 200*time.Millisecond)
	require.NoError(t, err)
	assert.Contains(t, said, "no mark on the dashboards that it begins: collector at "+s.otlp)
	assert.Equal(t, marked(), s.done)
}
