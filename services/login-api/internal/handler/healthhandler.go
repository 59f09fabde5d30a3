package handler

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest/httpx"

	"throughline/services/login-api/internal/types"
)

// HealthHandler answers 200 as soon as the process serves. It does not ask
// user-rpc or the broker: without them a login answers 503, and says why.
func HealthHandler() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
}

// ReadyHandler answers 200 while a login can be published, and else 503 with the reason.
func ReadyHandler(ready func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ready(); err != nil {
			httpx.WriteJsonCtx(r.Context(), w, http.StatusServiceUnavailable, *types.Unavailable(err.Error()))
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}
