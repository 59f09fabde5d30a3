package telemetry

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// recorder keeps log records.
type recorder struct {
	mu      sync.Mutex
	records []sdklog.Record
}

func (r *recorder) OnEmit(_ context.Context, record *sdklog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record.Clone())
	return nil
}

func (r *recorder) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

func (r *recorder) Shutdown(context.Context) error   { return nil }
func (r *recorder) ForceFlush(context.Context) error { return nil }

func (r *recorder) only(t *testing.T) sdklog.Record {
	t.Helper()
	require.Len(t, r.records, 1)
	return r.records[0]
}

// recordLogs makes logx write into what it returns for the rest of the test.
func recordLogs(t *testing.T) (*recorder, *bytes.Buffer) {
	t.Helper()
	logx.MustSetup(logx.LogConf{Stat: true}) // its first call replaces the writer
	before, console, records := logx.Reset(), &bytes.Buffer{}, &recorder{}
	logx.SetWriter(logx.NewWriter(console))
	addLogWriter(sdklog.NewLoggerProvider(sdklog.WithProcessor(records)), mobileNumbers)
	t.Cleanup(func() {
		logx.Reset()
		if before != nil {
			logx.SetWriter(before)
		}
	})
	return records, console
}

func attributesOf(record sdklog.Record) map[attribute.Key]attribute.Value {
	attrs := map[attribute.Key]attribute.Value{}
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs[kv.Key] = kv.Value
		return true
	})
	return attrs
}

func TestLogLineOfASpanCarriesItsIDs(t *testing.T) {
	records, console := recordLogs(t)
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "login")

	logx.WithContext(ctx).WithDuration(1500*time.Microsecond).Infow("user logged in",
		logx.Field("user", 7), logx.Field("fresh", true), logx.Field("ratio", 0.5), logx.Field("cause", errors.New("none")))

	record := records.only(t)
	assert.Equal(t, span.SpanContext().TraceID(), record.TraceID())
	assert.Equal(t, span.SpanContext().SpanID(), record.SpanID())
	assert.Equal(t, "user logged in", record.Body().AsString())
	assert.Equal(t, log.SeverityInfo, record.Severity())
	assert.Equal(t, logScope, record.InstrumentationScope().Name)
	attrs := attributesOf(record)
	assert.Positive(t, attrs["code.line.number"].AsInt64())
	delete(attrs, "code.line.number")
	assert.Equal(t, map[attribute.Key]attribute.Value{
		"code.file.path": attribute.StringValue("telemetry/logwriter_test.go"),
		"duration":       attribute.StringValue("1.5ms"),
		"user":           attribute.IntValue(7),
		"fresh":          attribute.BoolValue(true),
		"ratio":          attribute.Float64Value(0.5),
		"cause":          attribute.StringValue("none"),
	}, attrs)
	assert.Contains(t, console.String(), span.SpanContext().TraceID().String(), "the console stays as it was")
	assert.Contains(t, console.String(), `"caller":"telemetry/logwriter_test.go:`)
}

// logx takes its keys once in a process, so that this runs in one of its own.
func TestFieldKeysOfTheConfigurationKeepTheIDs(t *testing.T) {
	const child = "TEST_FIELD_KEYS"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1")
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, string(said))
		return
	}
	var config logx.LogConf
	config.FieldKeys.TraceKey, config.FieldKeys.SpanKey, config.FieldKeys.CallerKey = "trace_id", "span_id", "at"
	logx.MustSetup(config)
	records, _ := recordLogs(t)
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "login")
	logx.WithContext(ctx).Info("user logged in")
	record := records.only(t)
	assert.Equal(t, span.SpanContext().TraceID(), record.TraceID())
	assert.Equal(t, span.SpanContext().SpanID(), record.SpanID())
	assert.Equal(t, "telemetry/logwriter_test.go", attributesOf(record)["code.file.path"].AsString())
}

func TestLogLineWithoutASpanHasNoIDs(t *testing.T) {
	records, _ := recordLogs(t)
	logx.Infow("started", logx.Field("trace", "tomorrow"))
	record := records.only(t)
	assert.False(t, record.TraceID().IsValid())
	assert.Equal(t, "tomorrow", attributesOf(record)["trace"].AsString())
}

func TestSeverities(t *testing.T) {
	records, console := recordLogs(t)
	logx.SetLevel(logx.DebugLevel)
	t.Cleanup(func() { logx.SetLevel(logx.InfoLevel) })
	want := []struct {
		write    func(...any)
		severity log.Severity
		level    string
	}{
		{logx.Debug, log.SeverityDebug, "debug"},
		{logx.Info, log.SeverityInfo, "info"},
		{logx.Stat, log.SeverityInfo, "stat"},
		{logx.Slow, log.SeverityWarn, "slow"},
		{logx.Error, log.SeverityError, "error"},
		{logx.ErrorStack, log.SeverityError, "error"},
		{func(v ...any) { logx.Alert(v[0].(string)) }, log.SeverityError3, "alert"},
		{logx.Severe, log.SeverityFatal, "fatal"},
	}
	for _, tc := range want {
		tc.write("line of " + tc.level)
	}
	require.Len(t, records.records, len(want))
	lines := strings.Split(strings.TrimSpace(console.String()), "\n")
	require.Len(t, lines, len(want))
	for i, tc := range want {
		assert.Equal(t, tc.severity, records.records[i].Severity())
		assert.Equal(t, tc.level, records.records[i].SeverityText())
		assert.Contains(t, records.records[i].Body().AsString(), "line of "+tc.level)
		assert.Contains(t, lines[i], `"level":"`+tc.level+`"`)
	}
}

func TestNoLogHoldsAMobileNumber(t *testing.T) {
	records, console := recordLogs(t)
	logx.Infow("user 13800000001", logx.Field("mobile", int64(13800000001)), logx.Field("request", map[string]string{"mobile": "13800000001"}))
	logx.Errorv(struct{ Mobile string }{"13800000001"})
	logx.Severe("13800000001")
	logx.Alert("13800000001")
	logx.ErrorStack("13800000001")
	require.Len(t, records.records, 5)
	for _, record := range records.records {
		assert.NotContains(t, record.Body().AsString(), "13800000001")
		for key, value := range attributesOf(record) {
			assert.NotContains(t, value.String(), "13800000001", key)
		}
	}
	assert.Equal(t, "138****0001", attributesOf(records.records[0])["mobile"].AsString())
	assert.NotContains(t, console.String(), "13800000001")
	assert.Contains(t, console.String(), "138****0001")
}

func TestLongLineIsCut(t *testing.T) {
	records, console := recordLogs(t)
	logx.Infow(strings.Repeat("é", 4<<20), logx.Field("cause", errors.New(strings.Repeat("é", 4<<20))), logx.Field("request", map[string]string{"path": strings.Repeat("a", 8<<20)}))
	record := records.only(t)
	assert.Equal(t, strings.Repeat("é", maxBody/2), record.Body().AsString())
	attrs := attributesOf(record)
	assert.True(t, attrs["truncated"].AsBool())
	assert.Equal(t, strings.Repeat("é", maxText/2), attrs["cause"].AsString())
	assert.Len(t, attrs["request"].AsString(), maxText)
	assert.Less(t, console.Len(), maxBody+3*maxText)
	assert.Contains(t, console.String(), `"truncated":true`)
}
