package telemetry

import (
	"bytes"
	"context"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
)

// tenant marks each span that begins.
type tenant struct{ sdktrace.SpanProcessor }

func (tenant) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	s.SetAttributes(attribute.String("tenant", "acme"))
}
func (tenant) OnEnd(sdktrace.ReadOnlySpan)      {}
func (tenant) Shutdown(context.Context) error   { return nil }
func (tenant) ForceFlush(context.Context) error { return nil }

// plainConsole is what logx prints for the rest of the test, if nobody masks it.
func plainConsole(t *testing.T) *bytes.Buffer {
	t.Helper()
	console, previous := &bytes.Buffer{}, logx.Reset()
	t.Cleanup(func() { logx.Reset(); logx.SetWriter(previous) })
	logx.SetWriter(logx.NewWriter(console))
	return console
}

func TestOptions(t *testing.T) {
	received := startWhole(t, grpc.MaxRecvMsgSize(4<<20))
	console := plainConsole(t)
	shutdown, err := Setup(t.Context(), "login-api",
		WithMask(regexp.MustCompile(`card \d+`), "card ***"),
		WithResourceAttributes(attribute.String("deployment.environment.name", "test")),
		WithSpanProcessor(tenant{}),
		WithSpanFilter(func(s sdktrace.ReadOnlySpan) bool { return s.Name() != "noise" }))
	require.NoError(t, err)
	for _, name := range []string{"login", "noise", "grpc.health.v1.Health/Check"} {
		_, span := otel.Tracer("test").Start(t.Context(), name)
		span.End()
	}
	logx.Info("card 4711 of 13800000001")
	require.NoError(t, shutdown(t.Context()))

	spans := received.spans()
	require.Len(t, spans, 1)
	assert.Equal(t, "login", spans[0].Name())
	assert.Equal(t, "acme", attributeOf(t, spans[0].Attributes(), "tenant"))
	assert.Equal(t, "test", attributeOf(t, received.traces[0].ResourceSpans().At(0).Resource().Attributes(), "deployment.environment.name"))
	assert.Contains(t, console.String(), "card *** of 13800000001")
}

func TestNothingIsMaskedWithoutAPattern(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	console := plainConsole(t)
	_, err := Setup(t.Context(), "login-api", WithMask(nil, ""))
	require.NoError(t, err)
	logx.Info("login of 13800000001")
	assert.Contains(t, console.String(), "login of 13800000001")
}

func TestEnvironmentWinsOverTheOptions(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	res, err := newResource(t.Context(), "login-api", []attribute.KeyValue{attribute.String("deployment.environment.name", "none")})
	require.NoError(t, err)
	assert.Contains(t, res.Attributes(), attribute.String("deployment.environment.name", "test"))
}

func TestSetupNamesWhatItDoesNotSupport(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL":        "http/protobuf",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
		"OTEL_TRACES_EXPORTER":               "zipkin",
		"OTEL_METRICS_EXPORTER":              "prometheus",
		"OTEL_LOGS_EXPORTER":                 "console",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := Setup(t.Context(), "login-api")
			assert.ErrorContains(t, err, name+`="`+value+`" is not supported: use `)
		})
	}
}

func TestSignalsCanBeLeftOut(t *testing.T) {
	received := startWhole(t)
	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		t.Setenv("OTEL_"+signal+"_EXPORTER", "none")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	_, console := recordLogs(t)
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	_, span := otel.Tracer("test").Start(t.Context(), "login")
	assert.True(t, span.SpanContext().IsValid(), "what follows is still one trace")
	span.End()
	logx.Info("login")
	require.NoError(t, shutdown(t.Context()))
	assert.Empty(t, received.spans())
	assert.Contains(t, console.String(), "login")
}
