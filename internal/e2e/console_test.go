package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/backend"
	"throughline/internal/dashboards"
	"throughline/internal/demo"
	"throughline/internal/npm"
	"throughline/internal/otlpload"
)

// scenarioTimeout bounds one scenario in the browser. The longest waits for the
// panels of all dashboards to have data.
const scenarioTimeout = 5 * time.Minute

// shownDashboard is what a scenario knows of a dashboard.
type shownDashboard struct {
	UID    string       `json:"uid"`
	Title  string       `json:"title"`
	Panels []shownPanel `json:"panels"`
}

type shownPanel struct {
	Title          string `json:"title"`
	EmptyIsHealthy bool   `json:"emptyIsHealthy"`
}

// browser plays the scenarios of console/test.
type browser struct {
	scripts, packages string
	URL               string           `json:"url"`
	Browser           string           `json:"browser"`
	Screenshots       string           `json:"screenshots"`
	Trace             string           `json:"trace"`      // of a login, whole in both stores
	Span              string           `json:"span"`       // its root
	LinkedFrom        string           `json:"linkedFrom"` // a trace whose root is linked to that one
	At                int64            `json:"at"`         // when it was, in milliseconds
	Broken            string           `json:"broken"`     // a trace with an orphan span
	Batch             string           `json:"batch"`      // one span with 1,000 links, the last of which is to Span
	Scored            string           `json:"scored"`     // a service that breaks a rule, and whose attributes are wrong
	Dashboards        []shownDashboard `json:"dashboards"`
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err, "chromium is missing: make test installs it when you are root; otherwise: apt-get install chromium")
	scripts := filepath.Join(running.Root(), "console", "test")
	packages, err := npm.Install(t.Context(), running.BuildDir(), scripts, "console-test")
	require.NoError(t, err)
	// They outlive this run's own directory: the README's pictures are among them.
	kept := cmp.Or(os.Getenv("THROUGHLINE_RUN_DIR"), filepath.Join(running.Root(), ".run"))
	screenshots, err := filepath.Abs(filepath.Join(kept, "screenshots"))
	require.NoError(t, err)

	b := &browser{scripts: scripts, packages: packages, URL: running.Endpoints().Console, Browser: chromium, Screenshots: screenshots}
	current, err := running.PageIsCurrent()
	require.NoError(t, err)
	require.True(t, current, "the page could not be built; make build says why")

	all, err := dashboards.Load(filepath.Join(target.Grafana, "dashboards"))
	require.NoError(t, err)
	for _, d := range all {
		shown := shownDashboard{UID: d.UID, Title: d.Title}
		for _, p := range d.Panels {
			if p.IsRow() {
				continue
			}
			shown.Panels = append(shown.Panels, shownPanel{p.Title, p.EmptyIsHealthy()})
		}
		b.Dashboards = append(b.Dashboards, shown)
	}
	login := logIn(t, 1)[0]
	requireWhole(t, []demo.Login{login}, time.Minute, jaeger(), tempo())
	b.Trace, b.At = login.TraceID, login.AnsweredAt.UnixMilli()
	trace, err := tempo().Trace(t.Context(), b.Trace)
	require.NoError(t, err)
	b.Span = trace.Spans[slices.IndexFunc(trace.Spans, func(s backend.Span) bool { return s.ParentID == "" })].SpanID
	b.LinkedFrom = logInWithin(t, b.Trace, b.Span)
	return b
}

// logInWithin logs in with the trace context of the span, as a stranger, whose
// trace is linked and not continued. It returns the id of the login's trace.
func logInWithin(t *testing.T, trace, span string) string {
	t.Helper()
	var linked string
	require.Eventually(t, func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.LoginURL(target.LoginURL), bytes.NewReader(demo.Users[0].LoginBody()))
		require.NoError(t, err)
		request.Header.Set("Traceparent", "00-"+trace+"-"+span+"-01")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		linked = response.Header.Get(demo.TraceIDHeader)
		return response.StatusCode == http.StatusOK // and not refused by a breaker that is still open, as in logIn
	}, 30*time.Second, 50*time.Millisecond)
	require.NotEqual(t, trace, linked)
	requireWhole(t, []demo.Login{{TraceID: linked}}, time.Minute, jaeger(), tempo())
	return linked
}

// play is the subtest of one scenario.
func (b *browser) play(t *testing.T, scenario string) {
	t.Run(scenario, func(t *testing.T) {
		given, err := json.Marshal(b)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), scenarioTimeout)
		defer cancel()
		node := exec.CommandContext(ctx, "node", filepath.Join(b.scripts, "run.mjs"), scenario)
		node.Env = append(os.Environ(), "PACKAGES="+b.packages, "SCENARIO="+string(given))
		node.Cancel = func() error { return node.Process.Signal(os.Interrupt) } // which takes the browser along
		node.WaitDelay = 10 * time.Second
		output, err := node.CombinedOutput()
		t.Logf("%s", output)
		assert.NoError(t, err)
	})
}

func TestConsole(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	b := newBrowser(t)
	t.Run("links", requireLinksLeadSomewhere)
	b.Broken = sendAwkwardService(t)
	b.Batch = sendBatch(t, b.Trace, b.Span)
	b.Scored = sendScoredService(t)
	traffic(t)
	for _, scenario := range []string{"dashboards", "choices", "exemplar", "unknown-trace", "trace", "search", "score", "flow", "theme", "budget", "pictures"} {
		b.play(t, scenario)
	}
	require.NoError(t, running.Stop(t.Context(), "tempo"))
	defer restart(t, "tempo")
	b.play(t, "dead-backend")
}

// sendAwkwardService sends a span of a service whose name ends a quoted string of
// PromQL: the dashboards list it among the services, and must not break. The span is
// an orphan.
func sendAwkwardService(t *testing.T) (id string) {
	t.Helper()
	const service = `a "quoted\ name`
	id, traces := otlpload.Trace(otlpload.OK)
	traces.ResourceSpans().At(0).Resource().Attributes().PutStr("service.name", service)
	traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).SetParentSpanID(pcommon.SpanID{9})
	sendTraces(t, traces)
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		storedTrace(t, store, id, traces.SpanCount())
	}
	requireSeries(t, fmt.Sprintf("traces_span_metrics_calls_total{service_name=%q}", service))
	return id
}

// sendScoredService sends an orphan whose attributes are not as the conventions have them.
func sendScoredService(t *testing.T) (service string) {
	t.Helper()
	service = "scored"
	traces := ptrace.NewTraces()
	span := addSpan(traces, service)
	span.SetParentSpanID(pcommon.SpanID{9})
	span.Attributes().PutStr("db.name", "orders")
	span.Attributes().PutStr("http.nonsense", "yes")
	span.Attributes().PutStr("server.port", "80")
	id := span.TraceID().String()
	sendTraces(t, traces)
	for _, store := range newDoctor().Stores {
		storedTrace(t, store, id, 1)
	}
	require.Eventually(t, func() bool { // a search finds it later, and leaves out what is less than ten seconds old
		ids, err := backend.LatestTraces(t.Context(), newDoctor().Stores, service, time.Minute, 1)
		return err == nil && len(ids) == 1
	}, time.Minute, time.Second)
	return service
}

// sendBatch sends a span with the links of a batch of 1,000 messages, the last one's
// to this span.
func sendBatch(t *testing.T, trace, span string) (id string) {
	t.Helper()
	traces := ptrace.NewTraces()
	batch := addSpan(traces, "batches")
	batch.SetName("process batch")
	batch.SetParentSpanID(pcommon.SpanID{})
	for i := range 999 {
		link := batch.Links().AppendEmpty()
		link.SetTraceID(pcommon.TraceID{1, byte(i), byte(i >> 8)})
		link.SetSpanID(pcommon.SpanID{1, byte(i), byte(i >> 8)})
	}
	var traceID pcommon.TraceID
	var spanID pcommon.SpanID
	_, err := hex.Decode(traceID[:], []byte(trace))
	require.NoError(t, err)
	_, err = hex.Decode(spanID[:], []byte(span))
	require.NoError(t, err)
	link := batch.Links().AppendEmpty()
	link.SetTraceID(traceID)
	link.SetSpanID(spanID)
	id = batch.TraceID().String()
	sendTraces(t, traces)
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		require.Len(t, storedTrace(t, store, id, 1).Spans[0].Links, 1000, store.Name())
	}
	return id
}

// requireLinksLeadSomewhere follows the menu of the other parts' addresses.
func requireLinksLeadSomewhere(t *testing.T) {
	fetch := func(address string) []byte {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", address, body)
		return body
	}
	var config struct{ Links map[string]string }
	require.NoError(t, json.Unmarshal(fetch(running.Endpoints().Console+"/api/config"), &config))
	require.NotEmpty(t, config.Links)
	for _, address := range config.Links {
		fetch(address)
	}
}

// traffic drives logins until the test ends, so that every rate has something to show.
func traffic(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.Tick(200 * time.Millisecond); ctx.Err() == nil; <-tick {
			_, _ = demo.LogIn(ctx, target.LoginURL, demo.Users[0])
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}
