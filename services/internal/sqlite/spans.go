package sqlite

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// nameInSpans has the spans of go-zero's sqlx say which database they are of,
// which go-zero does not. A service has one database.
func nameInSpans(database string) {
	if provider, ok := otel.GetTracerProvider().(*sdktrace.TracerProvider); ok {
		provider.RegisterSpanProcessor(databaseSpans{semconv.DBSystemNameSQLite, semconv.DBNamespace(database)})
	}
}

// databaseSpans are the attributes of each span of a database.
type databaseSpans []attribute.KeyValue

func (attributes databaseSpans) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	if span.Name() == "sql" { // as sqlx names all of its own
		span.SetAttributes(attributes...)
	}
}

func (databaseSpans) OnEnd(sdktrace.ReadOnlySpan) {}

func (databaseSpans) Shutdown(context.Context) error { return nil }

func (databaseSpans) ForceFlush(context.Context) error { return nil }
