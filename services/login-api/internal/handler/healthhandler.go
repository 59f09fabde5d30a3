package handler

import "net/http"

// HealthHandler answers 200 as soon as the process serves. It does not ask
// user-rpc or the broker: without them a login answers 503, and says why.
func HealthHandler() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
}
