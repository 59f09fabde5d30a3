package telemetry

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/service"
	gozerotrace "github.com/zeromicro/go-zero/core/trace"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

func TestSetupOutlivesGoZerosOwnAgent(t *testing.T) {
	// Nothing listens there: a collector that is away is no error.
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	ours := otel.GetTracerProvider()
	require.IsType(t, &sdktrace.TracerProvider{}, ours)

	conf := service.ServiceConf{Name: "login-api", Mode: service.TestMode}
	conf.Log.Mode = "console"
	conf.Telemetry = gozerotrace.Config{Endpoint: "127.0.0.1:1", Sampler: 1, Batcher: "otlpgrpc"}
	require.NoError(t, conf.SetUp())
	assert.Same(t, ours, otel.GetTracerProvider())
	writer := logx.Reset()
	logx.SetWriter(writer)
	assert.IsType(t, &logWriter{}, writer)
	logx.Info("never sent")

	_, span := otel.Tracer("test").Start(t.Context(), "never sent")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = shutdown(ctx)
	assert.ErrorContains(t, err, "spans may be lost")
	assert.ErrorContains(t, err, "log records may be lost")
}

func TestSetupNamesThePropagatorItDoesNotKnow(t *testing.T) {
	t.Setenv("OTEL_PROPAGATORS", "tracecontext,w3c")
	_, err := Setup(t.Context(), "login-api")
	assert.ErrorContains(t, err, `OTEL_PROPAGATORS="tracecontext,w3c"`)
	assert.ErrorContains(t, err, "use a list of")
}

func TestSetupCanBeSwitchedOff(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Setenv("OTEL_SDK_DISABLED", "true")
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	assert.Same(t, before, otel.GetTracerProvider())
	assert.NoError(t, shutdown(t.Context()))
}

func TestTheConsoleIsMaskedWithoutTheSDK(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	var console bytes.Buffer
	previous := logx.Reset()
	t.Cleanup(func() { logx.SetWriter(previous) })
	logx.SetWriter(logx.NewWriter(&console))
	_, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	logx.Info("login of 13800000001")
	assert.Contains(t, console.String(), "login of 138****0001")
}

func TestPropagators(t *testing.T) {
	p, err := newPropagator()
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"traceparent", "tracestate", "baggage"}, p.Fields())

	t.Setenv("OTEL_PROPAGATORS", " b3 , tracecontext")
	p, err = newPropagator()
	require.NoError(t, err)
	assert.Contains(t, p.Fields(), "b3")

	t.Setenv("OTEL_PROPAGATORS", "none")
	p, err = newPropagator()
	require.NoError(t, err)
	p.Inject(t.Context(), propagation.MapCarrier{})
	assert.Empty(t, p.Fields())
}

func TestResource(t *testing.T) {
	res, err := newResource(t.Context(), "login-api", nil)
	require.NoError(t, err)
	for _, key := range []attribute.Key{"service.name", "service.version", "service.instance.id", "host.name", "process.pid", "process.executable.name", "process.runtime.name", "telemetry.sdk.language"} {
		_, found := res.Set().Value(key)
		assert.True(t, found, key)
	}
	for _, key := range []string{"process.command_args", "process.command_line", "process.owner"} {
		for _, kv := range res.Attributes() {
			assert.NotEqual(t, key, string(kv.Key), "may hold a secret or a person")
		}
	}
}

func TestEnvironmentWinsOverTheName(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "login-api-canary")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.2.3,deployment.environment.name=test")
	res, err := newResource(t.Context(), "login-api", nil)
	require.NoError(t, err)
	assert.Subset(t, res.Attributes(), []any{semconv.ServiceName("login-api-canary"), semconv.ServiceVersion("1.2.3")})
}

func TestHealthChecksAreNotExported(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(keptSpans{recorder, nil})).Tracer("test")
	for _, name := range []string{"grpc.health.v1.Health/Check", "user.User/GetUserByMobile"} {
		_, span := tracer.Start(t.Context(), name)
		span.End()
	}
	require.Len(t, recorder.Ended(), 1)
	assert.Equal(t, "user.User/GetUserByMobile", recorder.Ended()[0].Name())
}
