package evaluate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/demo"
)

// disturbed is the error of a wait that has no end, because something else uses
// the stack. What would be measured after it would be wrong.
type disturbed struct{ error }

// awaitStill waits until no counter has risen for so long. After plan.rest it
// gives up: the error, disturbed, says which still rise, and how fast.
func (l *lab) awaitStill(ctx context.Context, still time.Duration, read func() (readings, error)) error {
	began := time.Now()
	var last, earlier readings // earlier, to know how fast they rise
	var earlierAt time.Time
	for changed := began; ; {
		now, err := read()
		if err != nil {
			return err
		}
		at := time.Now()
		if last == nil || len(last.risesTo(now)) > 0 {
			changed = at
		}
		if at.Sub(changed) >= still {
			return nil
		}
		if earlier == nil || earlierAt.Sub(began) < l.plan.rest/2 && at.Sub(began) >= l.plan.rest/2 {
			earlier, earlierAt = now, at
		}
		if at.Sub(began) >= l.plan.rest {
			var rising []string
			for _, rise := range earlier.risesTo(now) {
				rising = append(rising, fmt.Sprintf("%s, %.3g a second", rise.Name, float64(rise.Value)/at.Sub(earlierAt).Seconds()))
			}
			return disturbed{fmt.Errorf("after %s still rise: %s; something else uses the stack (a load, another evaluation), or what went before is not done: end it, or wait, and run the evaluation again",
				l.plan.rest, strings.Join(rising, "; "))}
		}
		last = now
		if !pause(ctx, lookInterval) {
			return ctx.Err()
		}
	}
}

// rowsAtRest returns how many rows the audit trail has, once it gets no more.
func (l *lab) rowsAtRest(ctx context.Context) (rows int, err error) {
	err = l.awaitStill(ctx, time.Second, func() (readings, error) {
		audit, err := demo.ReadAudit(ctx, l.target.AuditURL, demo.AuditFilter{Limit: 1})
		rows = audit.Total
		return readings{"rows of the audit trail": {"": float64(rows)}}, err
	})
	return rows, err
}

// awaitCounters waits until the counters in Prometheus tell of all that was done before,
// and stand still.
func (l *lab) awaitCounters(ctx context.Context) error {
	const still = 6 * time.Second // a round of the services' and the collector's exports
	// On a busy machine a round takes longer. A service that was restarted has old series, too.
	const oldest = `min(max by (job) (timestamp({__name__=~"otel_sdk_processor_span_processed_total|otelcol_receiver_accepted_spans_total", job!="sampler"})))`
	now := time.Now()
	done := float64(now.Add(time.Second).Unix()) // what is done now has been sent to the collector by then
	for told := false; !told && time.Since(now) < l.plan.rest; {
		at, err := l.read(ctx, oldest)
		if err != nil {
			return err
		}
		for _, second := range at {
			told = second > done
		}
		if !told && !pause(ctx, lookInterval) {
			return ctx.Err()
		}
	}
	return l.awaitStill(ctx, still, func() (readings, error) { return l.readAll(ctx, stages) })
}

const (
	// restCores is what a store at rest uses at the most; idle, each takes about 0.01.
	restCores = 0.1
	// restLook is how long a store is watched for it, and restLooks how often in a row.
	restLook  = time.Second
	restLooks = 2
)

// undone are the stores' own figures of work that is not done.
var undone = []string{
	"tempo_ingester_live_traces", "tempo_ingester_flush_queue_length", "tempodb_compaction_outstanding_blocks",
	"jaeger_storage_badger_write_pending_num_memtable", "jaeger_storage_badger_compaction_current_num_lsm",
}

// awaitRest waits until the collector has handed over and the stores have worked
// off what came before, by the CPU that they use and, where they have them, by
// their own figures. It returns what is still at work after plan.rest, in words,
// and nothing when all is at rest.
func (l *lab) awaitRest(ctx context.Context) (busy string, err error) {
	deadline := time.Now().Add(l.plan.rest)
	l.flushTempo(ctx)
	for quiet := 0; quiet < restLooks; {
		before, err := l.cpuTimes(ctx)
		if err != nil {
			return "", err
		}
		if !pause(ctx, restLook) {
			return "", ctx.Err()
		}
		after, err := l.cpuTimes(ctx)
		if err != nil {
			return "", err
		}
		atWork := l.atWork(ctx, after.coresSince(before))
		switch {
		case len(atWork) == 0:
			quiet++
		case time.Now().After(deadline):
			return fmt.Sprintf("after %s %s", l.plan.rest, strings.Join(atWork, ", ")), nil
		default:
			quiet = 0
		}
	}
	return "", nil
}

// atWork says what the stores still do, given the cores that they use.
func (l *lab) atWork(ctx context.Context, cores map[string]float64) []string {
	var all []string
	if !l.queuesEmpty(ctx) {
		all = append(all, "bytes wait in the collector's queues")
	}
	for _, store := range storeParts {
		if cores[store] > restCores {
			all = append(all, fmt.Sprintf("%s used %.2f cores", store, cores[store]))
		}
	}
	for name, url := range map[string]string{l.tempo.Name(): l.target.TempoURL + "/metrics", l.jaeger.Name(): l.jaegerMetrics} {
		metrics, err := backend.ScrapeMetrics(ctx, name, url)
		if err != nil {
			continue // not published, as under Docker Compose
		}
		for _, figure := range undone {
			if value := metrics.Sum(figure, ofAnyKind); value > 0 {
				all = append(all, fmt.Sprintf("%s was %g", figure, value))
			}
		}
	}
	return slices.Sorted(slices.Values(all))
}

// flushTempo makes Tempo finish now the block that it would finish in the middle of
// what is measured next. One that cannot be asked is waited for all the same.
func (l *lab) flushTempo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.plan.rest)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.target.TempoURL+"/flush", nil)
	if err != nil {
		return
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
	}
}
