// Package middleware sets the headers of responses.
package middleware

import (
	"net/http"
	"strings"

	"github.com/zeromicro/go-zero/core/trace"
)

// retryAfter is how long, in seconds, a client should wait after a 503: about
// what a reconnect takes.
const retryAfter = "1"

const traceIDHeader = "X-Trace-Id"

// TraceID adds X-Trace-Id to the responses of handlers. It goes inside go-zero's
// tracing middleware, with server.Use.
func TraceID(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if id := trace.TraceIDFromContext(r.Context()); id != "" {
			w.Header().Set(traceIDHeader, id)
		}
		next(w, r)
	}
}

// ResponseHeaders adds Retry-After to every 503, whoever wrote it: the handler,
// go-zero's breaker or its load shedding. The latter two never reach TraceID;
// their trace id is taken from the traceparent that go-zero answers with.
func ResponseHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&responseWriter{ResponseWriter: w}, r)
	})
}

type responseWriter struct {
	http.ResponseWriter
	wrote bool
}

func (w *responseWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		if parts := strings.Split(w.Header().Get("Traceparent"), "-"); len(parts) == 4 && w.Header().Get(traceIDHeader) == "" {
			w.Header().Set(traceIDHeader, parts[1])
		}
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", retryAfter)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
