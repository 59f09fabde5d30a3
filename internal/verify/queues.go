package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
)

// queueInterval is how often the queues are looked at.
const queueInterval = 100 * time.Millisecond

// checkQueues waits until each of the collector's queues has been seen empty: one
// that never is holds what a store does not take.
func (r *run) checkQueues(ctx context.Context) Check {
	left, err := queuesThatDoNotDrain(ctx, r.target.CollectorURL)
	if err != nil {
		return failed("%v", err)
	}
	if len(left) > 0 {
		return failed("the collector's queue of %s was never empty in %s: a store is away, or refuses what lies in it; see docs/runbooks/alerts.md#exporterstalled",
			strings.Join(left, ", "), r.options.TraceTimeout)
	}
	return Check{OK: true, Detail: "each of the collector's queues has been empty"}
}

// queuesThatDoNotDrain returns the exporters whose queue is never seen empty
// before ctx ends, with what lies in it.
func queuesThatDoNotDrain(ctx context.Context, url string) ([]string, error) {
	ticker := time.NewTicker(queueInterval)
	defer ticker.Stop()
	drained := map[string]bool{}
	left := map[string]string{}
	for {
		metrics, err := backend.ScrapeMetrics(ctx, "the collector", url)
		switch {
		case err == nil:
			clear(left)
			series := 0
			metrics.Sum("otelcol_exporter_queue_size", func(labels map[string]string) bool {
				series++
				queue := fmt.Sprintf("%s (%s)", labels["exporter"], labels["data_type"])
				size := metrics.Sum("otelcol_exporter_queue_size", func(of map[string]string) bool { return maps.Equal(labels, of) })
				drained[queue] = drained[queue] || size == 0
				if !drained[queue] {
					left[queue] = fmt.Sprintf("%s: %.0f bytes", queue, size)
				}
				return false
			})
			if series > 0 && len(left) == 0 {
				return nil, nil
			}
		case ctx.Err() == nil:
			return nil, err
		}
		select {
		case <-ctx.Done():
			if len(drained) == 0 {
				return nil, fmt.Errorf("the collector at %s shows no queue: does it run with otel-collector/config.yaml?", url)
			}
			return slices.Sorted(maps.Values(left)), nil
		case <-ticker.C:
		}
	}
}
