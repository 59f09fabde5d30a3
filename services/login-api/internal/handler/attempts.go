package handler

import (
	"context"
	"net/http"
	"path"
	"sync/atomic"

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

// add counts an attempt, unless that was answered, and counted, before its handler
// came to an end.
func (a attempts) add(ctx context.Context, result string) {
	if counted, ok := ctx.Value(countedKey{}).(*atomic.Bool); !ok || counted.CompareAndSwap(false, true) {
		a.counter.Add(ctx, 1, resultOf(result))
	}
}

// countedKey is that of an *atomic.Bool: whether the attempt is counted.
type countedKey struct{}

// CountRefused counts logins that never reach their handler, or that the handler has
// no more time for: go-zero's breaker, its load shedding or its timeout answers 503.
// It goes around the whole server.
func CountRefused(next http.Handler) http.Handler {
	attempts := newAttempts()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || path.Clean(r.URL.Path) != loginPath {
			next.ServeHTTP(w, r)
			return
		}
		ctx := context.WithValue(r.Context(), countedKey{}, new(atomic.Bool))
		next.ServeHTTP(&refusals{w, func() { attempts.add(ctx, types.Unavailable("").Code) }}, r.WithContext(ctx))
	})
}

// refusals counts an answer of 503.
type refusals struct {
	http.ResponseWriter
	count func()
}

func (w *refusals) WriteHeader(status int) {
	if status == http.StatusServiceUnavailable {
		w.count()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *refusals) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func resultOf(result string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result)))
}
