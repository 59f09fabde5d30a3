package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestSpansNameTheirDatabase(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(before) })

	conn, err := Open(filepath.Join(t.TempDir(), "users.db"), func(db *sql.DB) error {
		_, err := db.Exec("CREATE TABLE IF NOT EXISTS t (id INTEGER)")
		return err
	})
	require.NoError(t, err)
	require.Empty(t, spans.Ended(), "the set-up belongs to no trace")
	ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
	_, err = conn.ExecCtx(ctx, "INSERT INTO t VALUES (1)")
	require.NoError(t, err)
	parent.End()

	ended := spans.Ended()
	statement, request := ended[len(ended)-2], ended[len(ended)-1]
	require.Equal(t, "sql", statement.Name())
	require.Contains(t, statement.Attributes(), attribute.String("db.namespace", "users"))
	require.Contains(t, statement.Attributes(), attribute.String("db.system.name", "sqlite"))
	require.Empty(t, request.Attributes())
}
