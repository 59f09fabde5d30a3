package console

import (
	"context"
	"net/http"
	"time"

	stores "throughline/internal/backend"
	"throughline/internal/score"
)

const scorePath = apiPath + "score"

// What GET /api/score looks at, where nothing else is asked for.
const (
	scoredTime   = 15 * time.Minute
	scoredTraces = 50
	// maxScoredTime is what the stores keep.
	maxScoredTime = 72 * time.Hour
)

// newScore answers GET /api/score?service=<name>&last=<duration> with the report of
// throughline score --json.
func newScore(config Config) http.Handler {
	scorer := score.Scorer{
		Stores:     traceStores(config),
		Prometheus: stores.NewPrometheus(config.Prometheus),
		Loki:       stores.NewLoki(config.Loki),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := score.Query{Service: r.URL.Query().Get("service"), Last: scoredTime, Limit: scoredTraces}
		if last := r.URL.Query().Get("last"); last != "" {
			var err error
			if query.Last, err = time.ParseDuration(last); err != nil || query.Last <= 0 || query.Last > maxScoredTime {
				refuse(w, http.StatusBadRequest, "last=%q is no time to look back: give one up to %s, such as 15m or 6h", last, maxScoredTime)
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), backendTimeout)
		defer cancel()
		report, err := scorer.Report(ctx, query)
		if err != nil {
			refuse(w, http.StatusBadGateway, "%s", err)
			return
		}
		answer(w, http.StatusOK, report)
	})
}
