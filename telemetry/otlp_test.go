package telemetry

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// collector is an OTLP/gRPC receiver that keeps what it gets.
type collector struct {
	mu      sync.Mutex
	traces  []ptrace.Traces
	metrics []pmetric.Metrics
	logs    []plog.Logs
}

type (
	traceReceiver struct {
		ptraceotlp.UnimplementedGRPCServer
		*collector
	}
	metricReceiver struct {
		pmetricotlp.UnimplementedGRPCServer
		*collector
	}
	logReceiver struct {
		plogotlp.UnimplementedGRPCServer
		*collector
	}
)

func (c traceReceiver) Export(_ context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traces = append(c.traces, req.Traces())
	return ptraceotlp.NewExportResponse(), nil
}

func (c metricReceiver) Export(_ context.Context, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.metrics = append(c.metrics, req.Metrics())
	return pmetricotlp.NewExportResponse(), nil
}

func (c logReceiver) Export(_ context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs = append(c.logs, req.Logs())
	return plogotlp.NewExportResponse(), nil
}

// startCollector makes it the collector of the OTEL_* variables.
func startCollector(t *testing.T, register func(*grpc.Server), opts ...grpc.ServerOption) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(opts...)
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
}

func attributeOf(t *testing.T, attributes pcommon.Map, key string) string {
	t.Helper()
	value, found := attributes.Get(key)
	require.True(t, found, key)
	return value.AsString()
}

func TestShutdownSendsAllThreeSignalsOfOneResource(t *testing.T) {
	received := &collector{}
	startCollector(t, func(s *grpc.Server) {
		ptraceotlp.RegisterGRPCServer(s, &traceReceiver{collector: received})
		pmetricotlp.RegisterGRPCServer(s, &metricReceiver{collector: received})
		plogotlp.RegisterGRPCServer(s, &logReceiver{collector: received})
	})
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)

	duration, err := otel.Meter("test").Float64Histogram("login.duration")
	require.NoError(t, err)
	ctx, span := otel.Tracer("test").Start(t.Context(), "login")
	logx.WithContext(ctx).Info("user 7 logged in")
	duration.Record(ctx, 0.1)
	span.End()
	requests.Inc("/v1/login")
	require.NoError(t, shutdown(t.Context()))

	require.Len(t, received.traces, 1)
	require.Len(t, received.metrics, 1)
	require.Len(t, received.logs, 1)
	resource := received.traces[0].ResourceSpans().At(0).Resource().Attributes()
	assert.Equal(t, "login-api", attributeOf(t, resource, "service.name"))
	assert.Equal(t, resource.AsRaw(), received.metrics[0].ResourceMetrics().At(0).Resource().Attributes().AsRaw())
	assert.Equal(t, resource.AsRaw(), received.logs[0].ResourceLogs().At(0).Resource().Attributes().AsRaw())

	record := received.logs[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, span.SpanContext().TraceID().String(), record.TraceID().String())
	assert.Equal(t, span.SpanContext().SpanID().String(), record.SpanID().String())
	assert.Equal(t, "user 7 logged in", record.Body().AsString())

	metrics := map[string]pmetric.Metric{}
	scopes := received.metrics[0].ResourceMetrics().At(0).ScopeMetrics()
	for i := range scopes.Len() {
		for j := range scopes.At(i).Metrics().Len() {
			m := scopes.At(i).Metrics().At(j)
			metrics[m.Name()] = m
		}
	}
	assert.Contains(t, metrics, "go.goroutine.count")
	assert.Contains(t, metrics, "test_requests_total")
	assert.NotContains(t, metrics, "go_goroutines")
	require.Contains(t, metrics, "login.duration")
	exemplars := metrics["login.duration"].Histogram().DataPoints().At(0).Exemplars()
	require.Equal(t, 1, exemplars.Len())
	assert.Equal(t, span.SpanContext().TraceID().String(), exemplars.At(0).TraceID().String())
}

// A collector may be configured for traces only; that must neither stop them nor
// flood the console, and an error about log records must not become one.
func TestCollectorThatRefusesLogsAndMetrics(t *testing.T) {
	received := &collector{}
	var refused atomic.Int32
	startCollector(t, func(s *grpc.Server) { ptraceotlp.RegisterGRPCServer(s, &traceReceiver{collector: received}) },
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
			refused.Add(1)
			return status.Error(codes.Unimplemented, "unknown service")
		}))
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "10")
	_, console := recordLogs(t)
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	_, span := otel.Tracer("test").Start(t.Context(), "login")
	span.End()
	require.Eventually(t, func() bool {
		logx.Info("a line")
		return refused.Load() >= 20
	}, 10*time.Second, 5*time.Millisecond)
	err = shutdown(t.Context())
	assert.NotContains(t, err.Error(), "spans")
	assert.ErrorContains(t, err, "Unimplemented")
	assert.Len(t, received.traces, 1)
	assert.LessOrEqual(t, strings.Count(console.String(), "Unimplemented"), 2, console.String())
}
