package handler

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest/httpx"
)

// HealthHandler answers 200 as soon as the process serves. It does not ask the
// broker: without it the service waits, and loses nothing.
func HealthHandler() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
}

// ReadyHandler answers 200 while messages are consumed, and else 503 with the reason.
func ReadyHandler(ready func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ready(); err != nil {
			httpx.WriteJsonCtx(r.Context(), w, http.StatusServiceUnavailable, failure{"unavailable", err.Error()})
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}
