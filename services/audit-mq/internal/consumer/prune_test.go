package consumer

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"throughline/services/audit-mq/internal/config"
	"throughline/services/audit-mq/internal/model"
)

// A start and the deletion of old logins leave no trace that begins with a CLIENT span.
func TestThePruningIsATraceOfItsOwn(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })

	logins, err := model.NewLoginModel(filepath.Join(t.TempDir(), "audit.db"))
	require.NoError(t, err)
	New(config.Config{Retention: time.Hour}, logins).pruneOnce()

	ended := spans.Ended()
	require.Len(t, ended, 2)
	statement, root := ended[0], ended[1]
	assert.Equal(t, "prune", root.Name())
	assert.Equal(t, trace.SpanKindInternal, root.SpanKind())
	assert.False(t, root.Parent().IsValid())
	assert.Equal(t, "sql", statement.Name())
	assert.Equal(t, root.SpanContext().SpanID(), statement.Parent().SpanID())
}
