package middleware

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func serve(handler http.HandlerFunc) http.Header {
	w := httptest.NewRecorder()
	ResponseHeaders(handler).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Header()
}

func TestResponseHeaders(t *testing.T) {
	traced := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		_, _ = w.Write([]byte("ok"))
	})
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", traced.Get("X-Trace-Id"))
	assert.Empty(t, traced.Get("Retry-After"))

	shed := serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	assert.Equal(t, "1", shed.Get("Retry-After"))
	assert.Empty(t, shed.Get("X-Trace-Id"))
}

// go-zero's breaker and its load shedding write a status and no body.
func TestRefusalWithoutABodyGetsOne(t *testing.T) {
	w := httptest.NewRecorder()
	ResponseHeaders(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		w.WriteHeader(http.StatusServiceUnavailable)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.Contains(t, w.Header().Get("Content-Type"), "application/json")
	assert.Contains(t, w.Body.String(), "unavailable")
	assert.Contains(t, w.Body.String(), "0af7651916cd43dd8448eb211c80319c")
}

func TestRefusalWithABodyKeepsIt(t *testing.T) {
	w := httptest.NewRecorder()
	ResponseHeaders(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("its own"))
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "its own", w.Body.String())
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
}

func TestTraceIDDoesNotNeedThePropagator(t *testing.T) {
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	w := httptest.NewRecorder()
	TraceID(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })(
		w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	assert.Equal(t, span.SpanContext().TraceID().String(), w.Header().Get("X-Trace-Id"))
}
