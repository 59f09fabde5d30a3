// Package middleware sets the headers of responses.
package middleware

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/zeromicro/go-zero/core/trace"
	"github.com/zeromicro/go-zero/rest/httpx"

	"throughline/services/login-api/internal/types"
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
// go-zero's breaker or its load shedding. The latter two never reach TraceID, and
// write no body: their trace id is taken from the traceparent that go-zero answers
// with, and the body says what happened.
func ResponseHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &responseWriter{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		answer.end()
	})
}

type responseWriter struct {
	http.ResponseWriter
	status int  // 0 until it is known
	wrote  bool // that status, to the client
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if parts := strings.Split(w.Header().Get("Traceparent"), "-"); len(parts) == 4 && w.Header().Get(traceIDHeader) == "" {
		w.Header().Set(traceIDHeader, parts[1])
	}
	if status != http.StatusServiceUnavailable { // that may get a body yet
		w.wrote = true
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.Header().Set("Retry-After", retryAfter)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if !w.wrote {
		w.wrote = true
		w.ResponseWriter.WriteHeader(w.status)
	}
	return w.ResponseWriter.Write(b)
}

// end answers with a body what was refused without one.
func (w *responseWriter) end() {
	if w.status == 0 || w.wrote {
		return
	}
	answer := *types.Unavailable("the service refuses a share of the requests, as too many have failed; try again")
	answer.TraceID = w.Header().Get(traceIDHeader)
	body, err := json.Marshal(answer)
	if err != nil {
		return // of strings alone
	}
	w.Header().Set("Content-Type", httpx.JsonContentType)
	_, _ = w.Write(body) // a client that has gone
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
