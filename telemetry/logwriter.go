package telemetry

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// logScope is the instrumentation scope of the log records.
const logScope = "github.com/zeromicro/go-zero/core/logx"

// maxBody bounds a log line in bytes. go-zero can dump whole requests, and a log
// store refuses a line that is too long (Loki: 256 KB).
const maxBody = 64 << 10

// The keys under which logx hands over what OpenTelemetry has a place for.
const (
	traceKey     = "trace"
	spanKey      = "span"
	callerKey    = "caller"
	truncatedKey = "truncated" // what go-zero says of a line that it has cut
)

// logWriter is a [logx.Writer] that masks every line and hands it to the writer
// that was there before it and to OpenTelemetry.
type logWriter struct {
	console logx.Writer
	logger  log.Logger
}

// addLogWriter puts OpenTelemetry beside the writer of logx, which it returns.
func addLogWriter(lp log.LoggerProvider) (console logx.Writer) {
	// The first call of logx.SetUp in a process replaces the writer, the later
	// ones do nothing. Let it have had its turn, so that ours stays.
	var defaults logx.LogConf
	_ = conf.FillDefault(&defaults)
	_ = logx.SetUp(defaults)
	if console = logx.Reset(); console == nil { // logx has been closed
		console = logx.NewWriter(os.Stdout)
	}
	logx.SetWriter(&logWriter{console: console, logger: lp.Logger(logScope)})
	return console
}

func (w *logWriter) Close() error { return w.console.Close() }

func (w *logWriter) Debug(v any, fields ...logx.LogField) {
	v, fields = w.emit(log.SeverityDebug, "debug", v, fields)
	w.console.Debug(v, fields...)
}

func (w *logWriter) Info(v any, fields ...logx.LogField) {
	v, fields = w.emit(log.SeverityInfo, "info", v, fields)
	w.console.Info(v, fields...)
}

func (w *logWriter) Stat(v any, fields ...logx.LogField) {
	v, fields = w.emit(log.SeverityInfo, "stat", v, fields)
	w.console.Stat(v, fields...)
}

func (w *logWriter) Slow(v any, fields ...logx.LogField) {
	v, fields = w.emit(log.SeverityWarn, "slow", v, fields)
	w.console.Slow(v, fields...)
}

func (w *logWriter) Error(v any, fields ...logx.LogField) {
	v, fields = w.emit(log.SeverityError, "error", v, fields)
	w.console.Error(v, fields...)
}

func (w *logWriter) Stack(v any) {
	v, _ = w.emit(log.SeverityError, "error", v, nil)
	w.console.Stack(v)
}

func (w *logWriter) Alert(v any) {
	v, _ = w.emit(log.SeverityError3, "alert", v, nil) // as the log data model maps syslog's alert
	w.console.Alert(v)
}

func (w *logWriter) Severe(v any) {
	v, _ = w.emit(log.SeverityFatal, "fatal", v, nil)
	w.console.Severe(v)
}

// emit sends a record and returns the line as the console may show it. The
// severity text is the level that go-zero prints.
func (w *logWriter) emit(severity log.Severity, level string, v any, fields []logx.LogField) (any, []logx.LogField) {
	v, fields = maskValue(v), maskFields(fields)
	body := text(v)
	var record log.Record
	record.SetSeverity(severity)
	record.SetSeverityText(level)
	if len(body) > maxBody {
		body = strings.ToValidUTF8(body[:maxBody], "")
		record.AddAttributes(attribute.Bool(truncatedKey, true))
	}
	record.SetBody(attribute.StringValue(body))
	var span trace.SpanContextConfig
	for _, field := range fields {
		if !setID(&span, field) {
			record.AddAttributes(attributes(field)...)
		}
	}
	w.logger.Emit(trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(span)), record)
	return v, fields
}

// setID takes over the id of a trace or a span. Whether that was sampled is not
// known here, and its flag is left unset.
func setID(span *trace.SpanContextConfig, field logx.LogField) bool {
	value, _ := field.Value.(string)
	var err error
	switch field.Key {
	case traceKey:
		span.TraceID, err = trace.TraceIDFromHex(value)
	case spanKey:
		span.SpanID, err = trace.SpanIDFromHex(value)
	default:
		return false
	}
	return err == nil
}

func attributes(field logx.LogField) []attribute.KeyValue {
	if field.Key == callerKey {
		file, line, _ := strings.Cut(text(field.Value), ":")
		if n, err := strconv.Atoi(line); err == nil {
			return []attribute.KeyValue{semconv.CodeFilePath(file), semconv.CodeLineNumber(n)}
		}
	}
	return []attribute.KeyValue{{Key: attribute.Key(field.Key), Value: attributeValue(field.Value)}}
}

// attributeValue keeps the types that [maskValue] leaves.
func attributeValue(v any) attribute.Value {
	switch v := v.(type) {
	case bool:
		return attribute.BoolValue(v)
	case int:
		return attribute.IntValue(v)
	case int64:
		return attribute.Int64Value(v)
	case float64:
		return attribute.Float64Value(v)
	default:
		return attribute.StringValue(text(v))
	}
}
