package console

import (
	"context"
	"net/http"
	"strings"

	stores "throughline/internal/backend"
	"throughline/internal/doctor"
)

const doctorPath = apiPath + "doctor/"

func traceStores(config Config) []stores.TraceSearcher {
	return []stores.TraceSearcher{stores.NewJaeger(config.Jaeger), stores.NewTempo(config.Tempo)}
}

// newDoctor answers GET /api/doctor/<trace id> with the symptoms of the trace, as
// throughline doctor finds them.
func newDoctor(config Config) http.Handler {
	examiner := doctor.Doctor{
		Stores:     traceStores(config),
		Prometheus: stores.NewPrometheus(config.Prometheus),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := stores.ParseTraceID(strings.TrimPrefix(r.URL.Path, doctorPath))
		if err != nil {
			refuse(w, http.StatusBadRequest, "%s", err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), backendTimeout)
		defer cancel()
		symptoms, err := examiner.Examine(ctx, []string{id})
		if err != nil {
			refuse(w, http.StatusBadGateway, "%s", err)
			return
		}
		answer(w, http.StatusOK, symptoms)
	})
}
