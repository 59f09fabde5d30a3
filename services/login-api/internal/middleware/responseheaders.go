// Package middleware wraps the whole server, go-zero's own middlewares included.
package middleware

import (
	"net/http"
	"strings"
)

// retryAfter is how long, in seconds, a client should wait after a 503: about
// what a reconnect takes.
const retryAfter = "1"

// ResponseHeaders adds X-Trace-Id to every traced response and Retry-After to
// every 503, whoever wrote it: the handler, go-zero's breaker, its load shedding.
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
		// go-zero's tracing middleware puts its span's context here.
		if parts := strings.Split(w.Header().Get("Traceparent"), "-"); len(parts) == 4 {
			w.Header().Set("X-Trace-Id", parts[1])
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
