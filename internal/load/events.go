package load

import (
	"context"
	"errors"
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
	// Poison counts the messages of the scenario poison that the broker took.
	Poison int `json:"poisonMessages,omitempty"`
	// DeadLettered counts the messages that the dead-letter queue gained during
	// the run, in the scenarios that look there: failing-consumer and poison.
	DeadLettered int `json:"deadLetteredMessages,omitempty"`
	// WaitedSeconds is the time from the last answer to the last row, or dead
	// letter, that was waited for.
	WaitedSeconds float64 `json:"waitedSeconds"`
	// Checked counts the acknowledged logins that were looked up by trace id.
	Checked int `json:"checkedByTraceId"`
	// CheckedStoredOnce counts those of them that have exactly one row.
	CheckedStoredOnce int `json:"checkedStoredOnce"`
	// Error says why the count is incomplete.
	Error string `json:"error,omitempty"`

	// givenUp tells that a dead letter is a login that was given up on purpose.
	givenUp bool
}

// lost counts the acknowledged logins of which nothing is left.
func (e Events) lost() int {
	lost := e.Acknowledged - e.Stored
	if e.givenUp {
		lost -= e.DeadLettered
	}
	return max(0, lost)
}

func (e Events) settled() bool { return e.lost() == 0 && e.DeadLettered >= e.Poison }

// failure says why the count is incomplete, for example that no poison was taken.
func (e Events) failure() error {
	if e.Error == "" {
		return nil
	}
	return errors.New(e.Error)
}

// Err is nil when nothing was lost as far as was measured.
func (e Events) Err() error {
	wrong := e.Checked - e.CheckedStoredOnce
	if e.givenUp {
		wrong -= e.DeadLettered
	}
	switch {
	case e.Error != "":
		return errors.New(e.Error)
	case e.lost() > 0:
		return fmt.Errorf("%d of %d acknowledged logins are not stored; look into audit-mq's log and the queues user.events.audit and %s",
			e.lost(), e.Acknowledged, deadQueue)
	case e.DeadLettered < e.Poison:
		return fmt.Errorf("%d of %d poison messages are not in %s; look into audit-mq's log", e.Poison-e.DeadLettered, e.Poison, deadQueue)
	case wrong > 0:
		return fmt.Errorf("%d of %d acknowledged logins that were looked up are not stored exactly once; look into audit-mq's log", wrong, e.Checked)
	}
	return nil
}

// String is the line of the report.
func (e Events) String() string {
	text := fmt.Sprintf("%d stored of %d acknowledged logins, ", e.Stored, e.Acknowledged)
	if e.Poison > 0 {
		text += fmt.Sprintf("%d dead-lettered of %d poison messages, ", e.DeadLettered, e.Poison)
	} else if e.DeadLettered > 0 {
		text += fmt.Sprintf("%d dead-lettered, ", e.DeadLettered)
	}
	return text + fmt.Sprintf("%.1f s after the last answer; exactly one row for %d of %d looked up by trace id",
		e.WaitedSeconds, e.CheckedStoredOnce, e.Checked)
}

// maxChecked bounds the look-ups by trace id; each is a request, with a trace.
const maxChecked = 200

// tally counts what a load leaves, from its beginning on.
type tally struct {
	auditURL     string
	storedBefore map[int64]int
	broker       *broker // nil where dead letters do not count
	deadBefore   int
}

func newTally(ctx context.Context, auditURL string, b *broker) (*tally, error) {
	t := &tally{auditURL: auditURL, broker: b}
	var err error
	if t.storedBefore, err = storedByUser(ctx, auditURL); err != nil {
		return nil, fmt.Errorf("count the stored events before the load: %w", err)
	}
	if b != nil {
		if t.deadBefore, err = b.deadLetters(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// wait waits until every acknowledged login, and every poison message, is where
// it should be, or until ctx ends, and then looks up a sample of the logins.
func (t *tally) wait(ctx context.Context, lastAnswer time.Time, acknowledged []string, events Events) Events {
	events.Acknowledged = len(acknowledged)
	before := events.Error

	const interval = 250 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := t.count(ctx, &events)
		if err == nil {
			events.Error = before
		} else if ctx.Err() == nil {
			events.Error = fmt.Sprintf("count the stored events: %v", err)
		}
		events.WaitedSeconds = time.Since(lastAnswer).Seconds()
		if err == nil && events.settled() {
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
			audit, err := demo.WaitForAudit(ctx, t.auditURL, demo.AuditFilter{TraceID: traceID},
				func(a demo.Audit) bool { return a.Total > 0 || events.givenUp })
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

// count brings Stored and DeadLettered up to date.
func (t *tally) count(ctx context.Context, events *Events) error {
	now, err := storedByUser(ctx, t.auditURL)
	if err != nil {
		return err
	}
	events.Stored = 0
	for user, total := range now {
		events.Stored += total - t.storedBefore[user]
	}
	if t.broker == nil {
		return nil
	}
	dead, err := t.broker.deadLetters()
	events.DeadLettered = dead - t.deadBefore
	return err
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
