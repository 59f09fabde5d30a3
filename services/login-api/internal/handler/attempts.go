package handler

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"throughline/services/login-api/internal/types"
)

// success is the result of a login that got its token; the others are the codes
// of types.Error.
const success = "success"

// attempts counts logins by result.
type attempts struct{ counter metric.Int64Counter }

// newAttempts begins each result at 0, so that the first of its kind is a rise
// that a dashboard can show.
func newAttempts() attempts {
	counter, err := otel.Meter("login-api").Int64Counter("login.attempts",
		metric.WithUnit("{attempt}"), metric.WithDescription("Logins that were tried, by result."))
	if err != nil {
		otel.Handle(err)
	}
	a := attempts{counter}
	for _, result := range append([]string{success}, types.ErrorCodes...) {
		counter.Add(context.Background(), 0, resultOf(result))
	}
	return a
}

func (a attempts) add(ctx context.Context, result string) { a.counter.Add(ctx, 1, resultOf(result)) }

func resultOf(result string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result)))
}
