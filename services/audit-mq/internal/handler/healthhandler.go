package handler

import "net/http"

// HealthHandler answers 200 as soon as the process serves. It does not ask the
// broker: without it the service waits, and loses nothing.
func HealthHandler() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
}
