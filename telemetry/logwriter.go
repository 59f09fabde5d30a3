package telemetry

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// logScope is the instrumentation scope of the log records.
const logScope = "github.com/zeromicro/go-zero/core/logx"

// maxBody bounds a log line in bytes: a stack trace fits, a dumped request may not.
const maxBody = 16 << 10

// truncatedKey marks a line that was cut, in go-zero's own word.
const truncatedKey = "truncated"

// keys are those under which logx hands over what OpenTelemetry has a place for.
// Log.FieldKeys of the configuration changes them.
type keys struct{ trace, span, caller string }

// keysInUse asks logx for its keys: by a line within a known span, which it hands to
// a writer that is there for that line alone.
func keysInUse() keys {
	in := keys{"trace", "span", "caller"} // when no line comes, as errors are turned off
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})
	logx.SetWriter(fieldReader{logx.NewWriter(io.Discard), func(field logx.LogField) {
		switch value := fmt.Sprint(field.Value); {
		case value == span.TraceID().String():
			in.trace = field.Key
		case value == span.SpanID().String():
			in.span = field.Key
		case strings.Contains(value, ".go:"):
			in.caller = field.Key
		}
	}})
	logx.WithContext(trace.ContextWithSpanContext(context.Background(), span)).Error("")
	logx.Reset()
	return in
}

// fieldReader is a writer of logx that reads the fields of errors.
type fieldReader struct {
	logx.Writer
	read func(logx.LogField)
}

func (r fieldReader) Error(_ any, fields ...logx.LogField) {
	for _, field := range fields {
		r.read(field)
	}
}

// logWriter is a [logx.Writer] that masks every line and hands it to the writer
// that was there before it and to OpenTelemetry.
type logWriter struct {
	console logx.Writer
	logger  log.Logger
	keys    keys
	masker  masker
}

// addLogWriter puts OpenTelemetry beside the writer of logx, which it returns.
func addLogWriter(lp log.LoggerProvider, m masker) (console logx.Writer) {
	// The first call of logx.SetUp in a process replaces the writer, the later
	// ones do nothing. Let it have had its turn, so that ours stays.
	var defaults logx.LogConf
	_ = conf.FillDefault(&defaults)
	_ = logx.SetUp(defaults)
	if console = logx.Reset(); console == nil { // logx has been closed
		console = logx.NewWriter(os.Stdout)
	}
	logx.SetWriter(&logWriter{console: console, logger: lp.Logger(logScope), keys: keysInUse(), masker: m})
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

// emit sends a record and returns the line as the console may show it: masked, and
// cut. The severity text is the level that go-zero prints.
func (w *logWriter) emit(severity log.Severity, level string, v any, fields []logx.LogField) (any, []logx.LogField) {
	v, fields = w.masker.value(v, maxBody+utf8.UTFMax), w.masker.fields(fields)
	body := text(v)
	if len(body) > maxBody {
		body = cut(body, maxBody)
		v, fields = body, append(fields, logx.Field(truncatedKey, true))
	}
	var record log.Record
	record.SetSeverity(severity)
	record.SetSeverityText(level)
	record.SetBody(attribute.StringValue(body))
	var span trace.SpanContextConfig
	for _, field := range fields {
		if !w.setID(&span, field) {
			record.AddAttributes(w.attributes(field)...)
		}
	}
	w.logger.Emit(trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(span)), record)
	return v, fields
}

// setID takes over the id of a trace or a span. Whether that was sampled is not
// known here, and its flag is left unset.
func (w *logWriter) setID(span *trace.SpanContextConfig, field logx.LogField) bool {
	value, _ := field.Value.(string)
	var err error
	switch field.Key {
	case w.keys.trace:
		span.TraceID, err = trace.TraceIDFromHex(value)
	case w.keys.span:
		span.SpanID, err = trace.SpanIDFromHex(value)
	default:
		return false
	}
	return err == nil
}

func (w *logWriter) attributes(field logx.LogField) []attribute.KeyValue {
	if field.Key == w.keys.caller {
		file, line, _ := strings.Cut(text(field.Value), ":")
		if n, err := strconv.Atoi(line); err == nil {
			return []attribute.KeyValue{semconv.CodeFilePath(file), semconv.CodeLineNumber(n)}
		}
	}
	return []attribute.KeyValue{{Key: attribute.Key(field.Key), Value: attributeValue(field.Value)}}
}

// attributeValue keeps the types that [masker.value] leaves.
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
