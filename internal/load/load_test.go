package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/demo"
)

// fakeServices is login-api and audit-mq in one: it stores what it acknowledges.
type fakeServices struct {
	mu      sync.Mutex
	count   int
	fail    func(n int) bool // whether the nth login fails
	lose    func(n int) bool // whether the nth acknowledged login is not stored
	byUser  map[int64]int
	byTrace map[string]int
}

func (f *fakeServices) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodGet {
		total := f.byTrace[r.FormValue("trace_id")]
		if user := r.FormValue("user_id"); user != "" {
			id, _ := strconv.ParseInt(user, 10, 64)
			total = f.byUser[id]
		}
		_ = json.NewEncoder(w).Encode(demo.Audit{Total: total})
		return
	}
	n := f.count
	f.count++
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var login struct{ Mobile, Password string }
	if json.Unmarshal(body, &login) != nil || login.Password == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if login.Password == "wrong" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.fail(n) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintf(w, `{"code":"unavailable","message":"the broker is away","traceId":"%032x"}`, n)
		return
	}
	traceID := fmt.Sprintf("%032x", n+1)
	w.Header().Set(demo.TraceIDHeader, traceID)
	if !f.lose(n) {
		user, _ := strconv.ParseInt(login.Mobile, 10, 64)
		f.byUser[user-13800000000]++
		f.byTrace[traceID]++
	}
}

func never(int) bool { return false }

func start(t *testing.T, fail, lose func(int) bool) Options {
	t.Helper()
	server := httptest.NewServer(&fakeServices{fail: fail, lose: lose, byUser: map[int64]int{1: 1000}, byTrace: map[string]int{}})
	t.Cleanup(server.Close)
	return Options{LoginURL: server.URL, AuditURL: server.URL, Rate: 100, Duration: 500 * time.Millisecond, StoreTimeout: time.Minute}
}

func TestAllStored(t *testing.T) {
	options := start(t, never, never)
	report, err := Run(t.Context(), options)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	sent := int(report.Requests)
	require.InDelta(t, 50, sent, 10, "on a busy machine the time is over before the last ones")
	require.Positive(t, report.Rate)
	require.Equal(t, "steady", report.Scenario)
	require.EqualValues(t, 1, report.SuccessRatio)
	require.Equal(t, map[string]int{"200": sent}, report.StatusCodes)
	require.Equal(t, sent, report.Events.Stored, "what was there before does not count")
	require.Equal(t, sent, report.Events.CheckedStoredOnce)
	require.Greater(t, report.Latency.Max, 0.0)
	require.GreaterOrEqual(t, report.Latency.P99, report.Latency.P50)

	encoded, err := json.Marshal(report)
	require.NoError(t, err)
	for _, name := range []string{"scenario", "ratePerSecond", "successRatio", "latencyMilliseconds", "storedEvents", "p95"} {
		require.Contains(t, string(encoded), `"`+name+`":`)
	}
	var text strings.Builder
	require.NoError(t, report.Print(&text))
	require.Contains(t, text.String(), fmt.Sprintf("%[1]d stored of %[1]d acknowledged", sent))
}

func TestFailuresAreReported(t *testing.T) {
	options := start(t, func(n int) bool { return n%5 == 0 }, never)
	report, err := Run(t.Context(), options)
	require.NoError(t, err)
	require.NoError(t, report.Err(), "a refused login loses no event")
	refused := (int(report.Requests) + 4) / 5 // the first, and every fifth after it
	acknowledged := int(report.Requests) - refused
	require.Equal(t, map[string]int{"200": acknowledged, "503": refused}, report.StatusCodes)
	require.InDelta(t, 0.8, report.SuccessRatio, 0.02)
	require.Equal(t, []string{"503 Service Unavailable: the broker is away"}, report.Errors)
	require.Equal(t, acknowledged, report.Events.Acknowledged)
}

func TestALostEventIsFound(t *testing.T) {
	options := start(t, never, func(n int) bool { return n == 7 })
	options.StoreTimeout = 2 * time.Second
	report, err := Run(t.Context(), options)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), fmt.Sprintf("1 of %d acknowledged logins are not stored", report.Requests))
}

func TestAnInterruptedLoadIsReported(t *testing.T) {
	options := start(t, never, never)
	options.Duration = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	report, err := Run(ctx, options)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Positive(t, report.Events.Stored)
}

func TestNothingToMeasure(t *testing.T) {
	options := start(t, never, never)
	options.Rate = 0
	_, err := Run(t.Context(), options)
	require.ErrorContains(t, err, "give a rate of at least 1")

	options = start(t, never, never)
	options.AuditURL = "http://127.0.0.1:1"
	_, err = Run(t.Context(), options)
	require.ErrorContains(t, err, "audit-mq is unavailable")
}

func TestProgressWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, 10)
	p.step(true)
	require.Empty(t, out.String(), "too early for a line")
	p.lastLine = time.Now().Add(-lineInterval)
	p.step(false)
	p.finish()
	require.Equal(t, "logins: 2 of 10, 1 failed\n", out.String())
}
