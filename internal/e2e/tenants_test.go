package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"throughline/internal/backend"
	"throughline/internal/stack"
)

// tenant is one of the teams that share Tempo and Loki: whoever has a certificate of its
// authority, which its collector asks for.
type tenant struct {
	name       string
	authority  authority
	collector  *stack.Collector
	connection *grpc.ClientConn
}

func newTenant(t *testing.T, s *stack.Stack, name string) tenant {
	t.Helper()
	own := newFakeStores(t) // Jaeger and Prometheus know no tenants
	tenant := tenant{name: name, authority: authorityWith(t, "collector")}
	tenant.collector = tenant.authority.collectorByTLS(t, s, name, []string{"otel-collector/config.yaml", "otel-collector/mutual-tls.yaml"},
		"TENANT="+name, "JAEGER_OTLP_ENDPOINT="+own.address(), "PROMETHEUS_OTLP_ENDPOINT="+own.address())
	tenant.connection = tenant.authority.dial(t, tenant.collector.OTLPGRPC, "service")
	return tenant
}

// send sends traces of one span each, and a log line of the first, and claims to be
// the other tenant.
func (x tenant) send(t *testing.T, claimed string, spans int) (id string) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-scope-orgid", claimed)
	traces, logs := ptrace.NewTraces(), plog.NewLogs()
	var first pcommon.TraceID
	for i := range spans {
		span := addSpan(traces, "tenants")
		span.Attributes().PutStr("filler", strings.Repeat("-", 300))
		if i == 0 {
			first = span.TraceID()
		}
	}
	_, err := ptraceotlp.NewGRPCClient(x.connection).Export(ctx, ptraceotlp.NewExportRequestFromTraces(traces))
	require.NoError(t, err)
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "tenants")
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	record.SetTraceID(first)
	record.Body().SetStr("of " + x.name)
	_, err = plogotlp.NewGRPCClient(x.connection).Export(ctx, plogotlp.NewExportRequestFromLogs(logs))
	require.NoError(t, err)
	return hex.EncodeToString(first[:])
}

// answer is what a store, or the console, answers who claims to be the tenant.
func answer(t *testing.T, url, claimed string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set(backend.TenantHeader, claimed)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func (x tenant) has(t *testing.T, tempo, id string) bool {
	t.Helper()
	status, _ := answer(t, tempo+"/api/traces/"+id, x.name)
	return status == http.StatusOK
}

func TestTenants(t *testing.T) {
	t.Parallel()
	limits := t.TempDir()
	limit := func(store, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(limits, store+".yaml"), []byte(text), 0o600))
	}
	limit("tempo", "overrides: {team-b: {ingestion: {rate_limit_bytes: 10000, burst_size_bytes: 100000}}}")
	limit("loki", "overrides: {team-b: {ingestion_rate_mb: 10}}")
	s, _ := ownStack(t, map[string]string{
		"TENANT": "team-a", "TEMPO_TENANT_LIMITS": filepath.Join(limits, "tempo.yaml"), "LOKI_TENANT_LIMITS": filepath.Join(limits, "loki.yaml"),
	})
	for _, part := range []string{"tempo", "loki", "console"} {
		require.NoError(t, s.Start(t.Context(), part))
	}
	at := s.Endpoints()
	a, b := newTenant(t, s, "team-a"), newTenant(t, s, "team-b")
	ofA, ofB := a.send(t, "team-b", 1), b.send(t, "team-a", 1)
	require.Eventually(t, func() bool { return a.has(t, at.Tempo, ofA) && b.has(t, at.Tempo, ofB) }, 30*time.Second, 100*time.Millisecond)
	assert.False(t, a.has(t, at.Tempo, ofB), "what a sender claims makes no difference")
	assert.False(t, b.has(t, at.Tempo, ofA), "what a sender claims makes no difference")
	status, _ := answer(t, at.Tempo+"/api/traces/"+ofA, "")
	assert.Equal(t, http.StatusUnauthorized, status, "a tenant must be named")

	// The console of one team shows nothing of the other, whatever the browser says.
	seen := func(path string) string {
		status, body := answer(t, at.Console+path, "team-b")
		require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
		return body
	}
	lines := "/proxy/loki/loki/api/v1/query_range?query=" + url.QueryEscape(`{service_name="tenants"}`)
	require.Eventually(t, func() bool { return strings.Contains(seen(lines), "of team-a") }, 30*time.Second, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		_, body := answer(t, at.Loki+"/loki/api/v1/query_range?query="+url.QueryEscape(`{service_name="tenants"}`), "team-b")
		return strings.Contains(body, "of team-b")
	}, 30*time.Second, 100*time.Millisecond)
	assert.NotContains(t, seen(lines), "of team-b")
	search := "/proxy/tempo/api/search?q=" + url.QueryEscape(`{resource.service.name="tenants"}`)
	require.Eventually(t, func() bool { return strings.Contains(seen(search), ofA) }, 30*time.Second, 100*time.Millisecond)
	assert.NotContains(t, seen(search), ofB)
	assert.Contains(t, seen("/proxy/tempo/api/traces/"+ofA), "tenants")
	status, _ = answer(t, at.Console+"/proxy/tempo/api/traces/"+ofB, "team-b")
	assert.Equal(t, http.StatusNotFound, status)

	// One team's certificate opens nothing of the other's.
	assert.Error(t, sendByTLS(t, b.collector.OTLPGRPC, "refused", a.authority.trusting(t, "service")))

	// A flood of one team, over its limit, waits in the queue of its collector, and only there.
	stored := func() time.Duration {
		began, id := time.Now(), a.send(t, "team-a", 1)
		require.Eventually(t, func() bool { return a.has(t, at.Tempo, id) }, 30*time.Second, 5*time.Millisecond)
		return time.Since(began)
	}
	rounds := func() string {
		var all []time.Duration
		for range 20 {
			all = append(all, stored())
		}
		slices.Sort(all)
		return fmt.Sprintf("median %s, slowest %s", all[10], all[19])
	}
	alone := rounds()
	var flood []string
	for range 20 {
		flood = append(flood, b.send(t, "team-b", 50))
	}
	waiting := func() bool {
		_, page := answer(t, b.collector.Metrics, "")
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, `otelcol_exporter_queue_size{`) && strings.Contains(line, `"otlp_http/tempo"`) {
				return !strings.HasSuffix(line, " 0\n")
			}
		}
		return false
	}
	require.Eventually(t, waiting, 30*time.Second, 100*time.Millisecond)
	t.Logf("from a send of team-a until Tempo has it: %s; beside a flood of team-b: %s", alone, rounds())
	assert.True(t, waiting(), "the flood is over before it was compared")

	// A limit is changed without a restart, and what waited is there.
	limit("tempo", "overrides: {team-b: {ingestion: {rate_limit_bytes: 100000000, burst_size_bytes: 100000000}}}")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for _, id := range flood {
			status, _ := answer(t, at.Tempo+"/api/traces/"+id, "team-b")
			require.Equal(c, http.StatusOK, status)
		}
	}, time.Minute, 500*time.Millisecond)
}
