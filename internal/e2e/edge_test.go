package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/demo"
)

// maxText is the longest text of a span that the services send, in bytes.
const maxText = 2048

// request sends what no HTTP client would, and returns the answer.
func request(t *testing.T, address, method, path string, headers ...string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	go func() { // the service may answer and close before it has read all
		_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n",
			method, path, strings.Join(append(headers, ""), "\r\n"))
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer
}

func firing(t *testing.T, alert, labels string) bool {
	t.Helper()
	return len(series(t, fmt.Sprintf(`ALERTS{alertname=%q, alertstate="firing", %s}`, alert, labels))) > 0
}

// A scan of paths, as every service on a network meets one, must not blind the
// alerts on logins.
func TestScanOfPathsDoesNotHideFailures(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	const scanned = 5000
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	for i := range scanned {
		method := http.MethodGet
		if i%10 == 0 {
			method = fmt.Sprintf("SCAN%d", i)
		}
		probe, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("%s/scan-%d/%s", target.LoginURL, i, uuid.NewString()), nil)
		require.NoError(t, err)
		answer, err := client.Do(probe)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusNotFound, answer.StatusCode)
	}
	names := `sum by (span_name, http_route, http_request_method) (traces_span_metrics_calls_total{service_name="login-api", span_kind="SPAN_KIND_SERVER"})`
	calls := `sum(traces_span_metrics_calls_total{service_name="login-api", span_kind="SPAN_KIND_SERVER", span_name=~"GET|HTTP"})`
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		counted := series(t, calls)
		require.NotEmpty(c, counted)
		assert.GreaterOrEqual(c, last(counted[0]), float64(scanned))
	}, time.Minute, 500*time.Millisecond, "all of the scan is counted")
	for _, s := range series(t, names) {
		assert.Contains(t, []string{"POST /v1/login", "GET", "HTTP"}, s.Labels["span_name"])
		assert.Contains(t, []string{"/v1/login", ""}, s.Labels["http_route"])
		assert.Contains(t, []string{"POST", "GET", "_OTHER"}, s.Labels["http_request_method"])
	}
	assert.Empty(t, series(t, `{otel_metric_overflow="true", service_name="login-api"}`))
	assert.Empty(t, series(t, `{service_name="login-api", path=~".*scan.*"}`), "go-zero's own metrics")

	require.NoError(t, running.Kill("user-rpc"))
	t.Cleanup(func() { restart(t, "user-rpc") })
	require.Eventually(t, func() bool {
		for range 40 {
			assert.Equal(t, http.StatusServiceUnavailable, login(t).StatusCode)
		}
		return firing(t, "LoginErrorBudgetBurnsFast", "")
	}, 2*time.Minute, 2*time.Second, "logins fail, and the alert says so")
	require.NoError(t, running.Start(t.Context(), "user-rpc"))
	requireLoginsWorkWithin(t, time.Minute)
}

func last(s backend.Series) float64 { return s.Points[len(s.Points)-1].Value }

func TestOverflowOfMetricsAlerts(t *testing.T) {
	service := "overflow-" + uuid.NewString()
	traces := ptrace.NewTraces()
	for range 2000 { // the limit of the span metrics is 1000
		addSpan(traces, service).SetName(uuid.NewString())
	}
	sendTraces(t, traces)
	require.Eventually(t, func() bool { return firing(t, "MetricOverflow", fmt.Sprintf("service_name=%q", service)) }, time.Minute, time.Second)
}

func TestStrangersDoNotChooseWhetherTheyAreTraced(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	const strangersSpan = "b7ad6b7169203331"
	for _, flags := range []string{"00", "01"} {
		stranger := strings.ReplaceAll(uuid.NewString(), "-", "")
		ask, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.LoginURL(target.LoginURL), bytes.NewReader(demo.Users[0].LoginBody()))
		require.NoError(t, err)
		ask.Header.Set("traceparent", "00-"+stranger+"-"+strangersSpan+"-"+flags)
		ask.Header.Set("baggage", "tenant=stranger")
		answer, err := http.DefaultClient.Do(ask)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		id := answer.Header.Get(demo.TraceIDHeader)
		require.NotEqual(t, stranger, id)
		requireWhole(t, []demo.Login{{TraceID: id}}, 30*time.Second, jaeger(), tempo())
		for _, store := range []backend.TraceStore{jaeger(), tempo()} {
			trace, err := store.Trace(t.Context(), id)
			require.NoError(t, err)
			for _, span := range trace.Spans {
				if span.ParentID != "" {
					continue
				}
				require.Len(t, span.Links, 1, "%s: %+v", store.Name(), span)
				assert.Equal(t, stranger, span.Links[0].TraceID)
				assert.Equal(t, strangersSpan, span.Links[0].SpanID)
			}
		}
	}
}

func TestTrustedCallerContinuesItsTrace(t *testing.T) {
	t.Cleanup(func() { restart(t, "login-api") })
	require.NoError(t, running.Start(t.Context(), "login-api", "LOGIN_API_TRUSTED_CALLERS=10.0.0.0/8, ::1, 127.0.0.1"))
	requireLoginsWorkWithin(t, 30*time.Second)
	caller := strings.ReplaceAll(uuid.NewString(), "-", "")
	answer := request(t, target.LoginURL, "POST", "/v1/login", "traceparent: 00-"+caller+"-b7ad6b7169203331-01")
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	assert.Equal(t, caller, answer.Header.Get(demo.TraceIDHeader))
}

func TestGiantRequestsAreRefusedAndTakeNoTelemetryDown(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	giant := func(n int) string { return strings.Repeat("a", n) }
	innocent := logIn(t, 5)
	for _, address := range []string{target.LoginURL, target.AuditURL} {
		for range 20 {
			assert.Equal(t, http.StatusRequestURITooLong, request(t, address, "GET", "/"+giant(16<<10)).StatusCode)
			assert.Equal(t, http.StatusRequestURITooLong, request(t, address, "GET", "/"+giant(60_000)).StatusCode)
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, request(t, address, "GET", "/"+giant(900_000)).StatusCode)
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, request(t, address, "GET", "/", "User-Agent: "+giant(16<<10)).StatusCode)
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, request(t, address, "GET", "/", "User-Agent: "+giant(1<<20)).StatusCode)
		}
	}
	// The largest that are let through.
	var large []string
	for range 20 {
		answer := request(t, target.LoginURL, "GET", "/"+giant(16_000)+"?q="+giant(300), "User-Agent: "+giant(16_000))
		require.Equal(t, http.StatusNotFound, answer.StatusCode)
		large = append(large, strings.Split(answer.Header.Get("Traceparent"), "-")[1])
	}
	innocent = append(innocent, logIn(t, 5)...)
	requireWhole(t, innocent, time.Minute, jaeger(), tempo())
	for _, id := range large {
		requireShortTexts(t, id, 1)
	}
}

// TestHostileRequestsWhileTheCollectorIsAway has a caller cause the largest spans that
// one can, within the memory that Compose gives login-api. What comes after them has
// room.
func TestHostileRequestsWhileTheCollectorIsAway(t *testing.T) {
	const hostile, composeLimit = 10_000, 160 << 20 // bytes
	t.Cleanup(func() { restart(t, "otel-collector"); restart(t, "login-api") })
	require.NoError(t, running.Start(t.Context(), "login-api", "GOMEMLIMIT=128MiB")) // as there
	requireLoginsWorkWithin(t, 30*time.Second)
	require.NoError(t, running.Stop(t.Context(), "otel-collector"))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	agent := strings.Repeat("a", 16_000)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range hostile {
		group.Go(func() error {
			ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/%d%s", target.LoginURL, i, agent), nil)
			if err != nil {
				return err
			}
			ask.Header.Set("User-Agent", agent)
			answer, err := client.Do(ask)
			if err != nil {
				return err
			}
			return answer.Body.Close()
		})
	}
	require.NoError(t, group.Wait())
	innocent := logIn(t, 5)
	most := peakMemory(t, "login-api")
	t.Logf("login-api took %d MB at most", most>>20)
	assert.Less(t, most, composeLimit)

	require.NoError(t, running.Start(t.Context(), "otel-collector"))
	requireWhole(t, innocent, time.Minute, jaeger(), tempo())
}

// peakMemory is the most that the part has had resident, in bytes, without the pages
// of its executable file, which the kernel takes back before a limit kills anything.
func peakMemory(t *testing.T, part string) int {
	t.Helper()
	record, err := os.ReadFile(filepath.Join(running.RunDir(), "pids", part+".json"))
	require.NoError(t, err)
	var process struct{ PID int }
	require.NoError(t, json.Unmarshal(record, &process))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.PID))
	require.NoError(t, err)
	figure := func(name string) (kilobytes int) {
		_, rest, _ := strings.Cut(string(status), name+":")
		_, err := fmt.Sscan(rest, &kilobytes)
		require.NoError(t, err, "%s in %s", name, status)
		return kilobytes
	}
	return (figure("VmHWM") - figure("RssFile")) << 10
}

// requireShortTexts checks the n spans of a trace, which both stores hold alike.
func requireShortTexts(t *testing.T, id string, n int) {
	t.Helper()
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		trace, err := backend.WaitForSpans(ctx, store, id, n)
		cancel()
		require.NoError(t, err, store.Name())
		for _, span := range trace.Spans {
			assert.LessOrEqual(t, len(span.Name), maxText)
			assert.LessOrEqual(t, len(span.StatusMessage), maxText)
			for key, value := range span.Attributes {
				assert.LessOrEqual(t, len(fmt.Sprint(value)), maxText, "%s in %s", key, store.Name())
			}
		}
	}
}

// A message decides how long the error is that its handler ends with.
func TestMessageWithAGiantErrorTextIsDeadLetteredAndTraced(t *testing.T) {
	logFile := filepath.Join(running.RunDir(), "logs", "audit-mq.log")
	before, err := os.Stat(logFile)
	require.NoError(t, err)
	ch := publisher(t)
	const giants = 4
	for _, size := range []int{70_000, 8 << 20} {
		for range giants {
			id, trace := uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", "")
			publish(t, ch, amqp.Publishing{
				MessageId: id, Body: fmt.Appendf(nil, `{"userId": 1, "loginAt": "%s"}`, strings.Repeat("x", size)),
				Headers: amqp.Table{"traceparent": "00-" + trace + "-b7ad6b7169203331-01"},
			})
			d := deadLetter(t, id, time.Minute)
			assert.Contains(t, d.Headers["x-dead-letter-reason"], "decode user.logged_in")
			requireShortTexts(t, trace, 2) // process, and send to the dead letters
		}
	}
	content, err := os.ReadFile(logFile)
	require.NoError(t, err)
	longest := 0
	for line := range bytes.Lines(content[before.Size():]) {
		longest = max(longest, len(line))
	}
	assert.Less(t, longest, 64<<10, "the longest line of the log")
	requireWhole(t, logIn(t, 5), time.Minute, jaeger(), tempo())
}
