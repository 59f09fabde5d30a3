package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"throughline/internal/demo"
)

// Events tells how many of the acknowledged logins have their row in the audit
// trail. Stored is a difference of totals, cheap for any number of logins and
// exact as long as nobody else logs in as a demo user meanwhile; Checked is a
// sample, spread over the run, that was looked up one by one by trace id.
type Events struct {
	// Acknowledged counts the logins that were answered 200.
	Acknowledged int `json:"acknowledgedLogins"`
	// Stored counts the rows that the demo users gained during the run. It may
	// exceed Acknowledged: a login whose answer was lost can still be stored.
	Stored int `json:"storedEvents"`
	// WaitedSeconds is the time from the last answer to the last row that was
	// waited for.
	WaitedSeconds float64 `json:"waitedSeconds"`
	// Checked counts the acknowledged logins that were looked up by trace id.
	Checked int `json:"checkedByTraceId"`
	// CheckedStoredOnce counts those of them that have exactly one row.
	CheckedStoredOnce int `json:"checkedStoredOnce"`
	// Error says why the count is incomplete.
	Error string `json:"error,omitempty"`
}

// maxChecked bounds the look-ups by trace id; each is a request, with a trace.
const maxChecked = 200

// countEvents waits until as many rows were gained as logins acknowledged, or
// until ctx ends, and then looks up a sample.
func countEvents(ctx context.Context, auditURL string, before map[int64]int, acknowledged []string) Events {
	started := time.Now()
	events := Events{Acknowledged: len(acknowledged)}

	const interval = 250 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		after, err := storedByUser(ctx, auditURL)
		if err == nil {
			events.Error = ""
			events.Stored = 0
			for user, total := range after {
				events.Stored += total - before[user]
			}
		} else if ctx.Err() == nil {
			events.Error = fmt.Sprintf("count the stored events: %v", err)
		}
		events.WaitedSeconds = time.Since(started).Seconds()
		if err == nil && events.Stored >= events.Acknowledged {
			break
		}
		select {
		case <-ctx.Done():
			return events
		case <-ticker.C:
		}
	}

	events.Checked = min(maxChecked, len(acknowledged))
	var once atomic.Int64
	var group errgroup.Group
	group.SetLimit(8)
	for i := range events.Checked {
		traceID := acknowledged[i*len(acknowledged)/events.Checked]
		group.Go(func() error {
			audit, err := demo.WaitForAudit(ctx, auditURL, demo.AuditFilter{TraceID: traceID},
				func(a demo.Audit) bool { return a.Total > 0 })
			if err == nil && traceID != "" && audit.Total == 1 {
				once.Add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		events.Error = fmt.Sprintf("look up the stored events: %v", err)
	}
	events.CheckedStoredOnce = int(once.Load())
	return events
}

// storedByUser returns how many rows each demo user has.
func storedByUser(ctx context.Context, auditURL string) (map[int64]int, error) {
	totals := map[int64]int{}
	for _, user := range demo.Users {
		audit, err := demo.ReadAudit(ctx, auditURL, demo.AuditFilter{UserID: user.ID, Limit: 1})
		if err != nil {
			return nil, err
		}
		totals[user.ID] = audit.Total
	}
	return totals, nil
}
