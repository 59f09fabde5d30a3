package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"throughline/internal/stack"
)

// An agent and two gateways, as on Kubernetes in the overlay production: every span is counted
// once, by the gateway that has all of its trace, each gateway's series are its own, and
// between them there is TLS.
func TestAgentAndGateways(t *testing.T) {
	const base, noPipelines, traces = "otel-collector/config.yaml", "yaml:service::pipelines: null", 40
	tiers, stores, ours := buildSampling(t), newFakeStores(t), authorityWith(t, "collector")
	const byTLS = "otel-collector/mutual-tls-gateways.yaml"
	run := func(name string, configs []string, env ...string) *stack.Collector {
		return ours.collectorByTLS(t, tiers, name, configs, stores.endpoints(append(env, "HOSTNAME="+name, "GATEWAY_TLS_NAME=127.0.0.1")...)...)
	}
	gateway := []string{base, "otel-collector/tail-sampling.yaml", noPipelines, "otel-collector/gateway.yaml", byTLS}
	one := run("gateway-1", gateway, "TAIL_SAMPLING_WAIT=1s", "TAIL_SAMPLING_PERCENT=0")
	two := run("gateway-2", gateway, "TAIL_SAMPLING_WAIT=1s", "TAIL_SAMPLING_PERCENT=0")
	agent := run("agent", []string{base, noPipelines, "otel-collector/agent.yaml", byTLS,
		// No name here leads to both.
		fmt.Sprintf("yaml:exporters::loadbalancing::resolver: {dns: null, static: {hostnames: [%q, %q]}}", one.OTLPGRPC, two.OTLPGRPC)},
		"GATEWAY_OTLP_HTTP_ENDPOINT="+one.OTLPHTTP)
	for _, certificate := range []string{"", "stranger"} {
		assert.Error(t, sendByTLS(t, one.OTLPGRPC, "refused", ours.trusting(t, certificate)), certificate)
	}
	ours.requireStrangersRefused(t, "https://"+one.OTLPHTTP+"/v1/logs")

	connection, err := grpc.NewClient(agent.OTLPGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, connection.Close()) })
	now := time.Now()
	// The two halves of each call come in different requests, each with all traces; every other trace fails.
	for half, kind := range []ptrace.SpanKind{ptrace.SpanKindClient, ptrace.SpanKindServer} {
		td := ptrace.NewTraces()
		resource := td.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", []string{"caller", "callee"}[half])
		spans := resource.ScopeSpans().AppendEmpty().Spans()
		for i := range traces {
			span := spans.AppendEmpty()
			span.SetTraceID(pcommon.TraceID{1: byte(i), 15: 1})
			span.SetSpanID(pcommon.SpanID{7: byte(half + 1)})
			if half == 1 {
				span.SetParentSpanID(pcommon.SpanID{7: 1})
			}
			span.SetKind(kind)
			span.SetName("call 13812345678")
			span.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
			span.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Millisecond)))
			if i%2 == 0 && half == 1 {
				span.Status().SetCode(ptrace.StatusCodeError)
			}
		}
		_, err := ptraceotlp.NewGRPCClient(connection).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(td))
		require.NoError(t, err)
	}
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("a line")
	_, err = plogotlp.NewGRPCClient(connection).Export(t.Context(), plogotlp.NewExportRequestFromLogs(ld))
	require.NoError(t, err)

	// A cumulative counter is its last value.
	counted := func(metric string) map[string]int64 {
		last := map[[2]string]int64{}
		stores.eachMetric(func(resource pcommon.Map, m pmetric.Metric) {
			if m.Name() != metric {
				return
			}
			instance := fmt.Sprint(resource.AsRaw()["service.instance.id"])
			for _, point := range m.Sum().DataPoints().All() {
				last[[2]string{instance, fmt.Sprint(resource.AsRaw(), point.Attributes().AsRaw())}] = point.IntValue()
			}
		})
		byGateway := map[string]int64{}
		for series, value := range last {
			byGateway[series[0]] += value
		}
		return byGateway
	}
	for metric, want := range map[string]int64{"traces.span.metrics.calls": 2 * traces, "traces_service_graph_request_total": traces} {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			by := counted(metric)
			assert.Len(c, by, 2, "%s: %v", metric, by)
			assert.NotZero(c, by["gateway-1"], metric)
			assert.Equal(c, want, by["gateway-1"]+by["gateway-2"], "%s: %v", metric, by)
		}, 30*time.Second, 100*time.Millisecond)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		spans, records := stores.held()
		assert.Equal(c, 2*2*traces/2, spans, "both spans of each trace that failed, in both stores")
		assert.Equal(c, 1, records)
	}, 30*time.Second, 100*time.Millisecond)
	assert.NotContains(t, fmt.Sprint(stores.spanNames()), "13812345678")
}
