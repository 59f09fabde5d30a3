package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
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

	"throughline/internal/stack"
)

// What a gateway gathers goes to all four stores by TLS, and its own figures, too, as on Kubernetes in
// the overlay production. Jaeger and Tempo take spans from nobody without a certificate of the authority.
func TestStoresByTLS(t *testing.T) {
	s, ours := buildSampling(t), authorityWith(t, "collector", "tls")
	require.NoError(t, os.Mkdir(filepath.Join(ours.dir, "tls"), 0o700))
	for _, name := range []string{"tls.crt", "tls.key"} {
		require.NoError(t, os.Symlink(filepath.Join(ours.dir, name), filepath.Join(ours.dir, "tls", name)))
	}
	web, err := os.ReadFile(filepath.Join(running.Root(), "prometheus", "web.yml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(ours.dir, "web.yml"), web, 0o600))
	certificate, key, authority := filepath.Join(ours.dir, "tls.crt"), filepath.Join(ours.dir, "tls.key"), filepath.Join(ours.dir, "ours-ca.crt")

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: ours.trusting(t, "")}}
	get := func(ctx context.Context, url string) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", response.Status, body)
		}
		return string(body), err
	}
	ports := s.UnusedPorts([]string{
		"JAEGER_OTLP_HTTP_PORT", "JAEGER_QUERY_PORT", "JAEGER_QUERY_GRPC_PORT", "JAEGER_HEALTH_PORT", "JAEGER_METRICS_PORT",
		"TEMPO_OTLP_HTTP_PORT", "TEMPO_PORT", "TEMPO_GRPC_PORT", "LOKI_PORT", "LOKI_GRPC_PORT", "PROMETHEUS_PORT",
	})
	at := func(variable string) string { return fmt.Sprintf("127.0.0.1:%d", ports[variable]) }
	run := func(store, ready string, env []string, args ...string) {
		name := "tls-" + store
		data := filepath.Join(s.RunDir(), "data", name)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "DATA", data)
		}
		env = append(env, strings.ToUpper(store)+"_DATA_DIR="+data)
		for variable, port := range ports {
			env = append(env, fmt.Sprintf("%s=%d", variable, port))
		}
		program := s.Program(stack.ProgramOptions{
			Name: name, Argv: append([]string{s.ProgramBinaries()[store]}, args...), Env: env, Grace: 2 * time.Second,
			Ready: func(ctx context.Context) error { _, err := get(ctx, ready); return err },
		})
		require.NoError(t, program.Start(t.Context()))
		t.Cleanup(func() { assert.NoError(t, program.Remove(context.WithoutCancel(t.Context()))) })
	}
	run("jaeger", "http://"+at("JAEGER_HEALTH_PORT")+"/status",
		[]string{"JAEGER_TLS_CERT=" + certificate, "JAEGER_TLS_KEY=" + key, "JAEGER_TLS_CLIENT_CA=" + authority, "OTEL_TRACES_SAMPLER=always_off"},
		"--config", "jaeger/config.yaml", "--config", "jaeger/mutual-tls.yaml")
	run("tempo", "https://"+at("TEMPO_PORT")+"/ready",
		[]string{"TEMPO_TLS_CERT=" + certificate, "TEMPO_TLS_KEY=" + key,
			fmt.Sprintf(`TEMPO_OTLP_TLS={cert_file: %s, key_file: %s, client_ca_file: %s, min_version: "1.3"}`, certificate, key, authority)},
		"-config.file=tempo/config.yaml", "-config.expand-env=true")
	run("loki", "https://"+at("LOKI_PORT")+"/ready", []string{"LOKI_TLS_CERT=" + certificate, "LOKI_TLS_KEY=" + key}, "-config.file=loki/config.yaml", "-config.expand-env=true")
	run("prometheus", "https://"+at("PROMETHEUS_PORT")+"/-/ready", nil, "--config.file=prometheus/prometheus.yml", "--storage.tsdb.path=DATA",
		"--web.config.file="+filepath.Join(ours.dir, "web.yml"), "--web.listen-address="+at("PROMETHEUS_PORT"), "--web.enable-otlp-receiver")

	gateway := ours.collectorByTLS(t, s, "gateway-of-stores",
		[]string{"otel-collector/config.yaml", "otel-collector/tail-sampling.yaml", "yaml:service::pipelines: null", "otel-collector/gateway.yaml", "otel-collector/mutual-tls-gateways.yaml"},
		"JAEGER_OTLP_ENDPOINT="+at("JAEGER_OTLP_HTTP_PORT"), "TEMPO_OTLP_ENDPOINT="+at("TEMPO_OTLP_HTTP_PORT"),
		"LOKI_OTLP_ENDPOINT="+at("LOKI_PORT"), "PROMETHEUS_OTLP_ENDPOINT="+at("PROMETHEUS_PORT"),
		"STORES_SCHEME=https", "COLLECTOR_TLS_SERVER_CA="+authority,
		"TAIL_SAMPLING_WAIT=1s", "TAIL_SAMPLING_PERCENT=100")
	connection := ours.dial(t, gateway.OTLPGRPC, "service")
	traces, logs := ptrace.NewTraces(), plog.NewLogs()
	id := addSpan(traces, "by-tls").TraceID()
	_, err = ptraceotlp.NewGRPCClient(connection).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(traces))
	require.NoError(t, err)
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "by-tls")
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	record.Body().SetStr("a line by TLS")
	_, err = plogotlp.NewGRPCClient(connection).Export(t.Context(), plogotlp.NewExportRequestFromLogs(logs))
	require.NoError(t, err)

	for question, answer := range map[string]string{
		"https://" + at("JAEGER_QUERY_PORT") + "/api/v3/traces/" + hex.EncodeToString(id[:]):                                  "by-tls",
		"https://" + at("TEMPO_PORT") + "/api/v2/traces/" + hex.EncodeToString(id[:]):                                         "by-tls",
		"https://" + at("LOKI_PORT") + "/loki/api/v1/query_range?query=" + url.QueryEscape(`{service_name="by-tls"}`):         "a line by TLS",
		"https://" + at("PROMETHEUS_PORT") + "/api/v1/query?query=" + url.QueryEscape(`traces_span_metrics_calls_total`):      "by-tls",
		"https://" + at("PROMETHEUS_PORT") + "/api/v1/query?query=" + url.QueryEscape(`otelcol_process_uptime_seconds_total`): "gateway-of-stores",
	} {
		assert.EventuallyWithT(t, func(c *assert.CollectT) {
			said, err := get(t.Context(), question)
			assert.NoError(c, err)
			assert.Contains(c, said, answer, question)
		}, time.Minute, 200*time.Millisecond)
	}
	for _, store := range []string{"JAEGER_OTLP_HTTP_PORT", "TEMPO_OTLP_HTTP_PORT"} {
		ours.requireStrangersRefused(t, "https://"+at(store)+"/v1/traces")
	}
}
