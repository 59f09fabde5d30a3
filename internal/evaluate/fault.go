package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/evaluate/result"
	"throughline/internal/verify"
)

// fault is something that goes wrong while logins go on.
type fault struct {
	name, part, kind string
	duration         time.Duration // from its begin until its end is brought about
	// prepare, which may be nil, makes ready before the load begins, and returns
	// what undoes that after all is stored.
	prepare func(context.Context) (undo func(context.Context) error, err error)
	// begin brings the fault about, and returns what ends it. What else logs in
	// meanwhile adds to the traffic.
	begin func(context.Context, *traffic) (end func(context.Context) error, err error)
	// skip says why the fault cannot be brought about here; empty when it can.
	skip string
	// noticed, which may be nil, waits before the end until an alert tells of it.
	noticed func(context.Context) error
	// limited tells that services and collector must keep within the memory that
	// Docker Compose gives them.
	limited bool
	// loses is the service whose own spans and lines of the last moments go with
	// it, or the store that loses what it had just taken.
	loses string
}

const (
	// grace is how long before a kill something may have happened that is lost
	// with the process: the SDK's delay, an export and the way through the queue.
	grace = 3 * time.Second
	// calm is for how long no login may fail before the service counts as recovered.
	calm = 2 * time.Second
)

// inject brings a fault about under steady load and follows it to full recovery.
// The error says that it was not brought about. What went wrong after it was is in
// what is found: not OK, with the reason in its Detail.
func (l *lab) inject(ctx context.Context, f fault) (found *result.Fault, err error) {
	if err := l.awaitCalm(ctx); err != nil {
		return nil, err
	}
	if f.prepare != nil {
		undo, failed := f.prepare(ctx)
		if failed != nil {
			return nil, failed
		}
		defer func() {
			failed := undo(context.WithoutCancel(ctx))
			switch {
			case failed == nil:
			case found == nil:
				err = errors.Join(err, failed)
			default:
				fail(found, fmt.Errorf("what was prepared for it is not undone: %w", failed))
			}
		}()
	}
	before, err := l.readAll(ctx, lost)
	if err != nil {
		return nil, err
	}

	dead, err := l.deadLetters()
	if err != nil {
		return nil, err
	}
	memory := slices.Clone(l.limited)

	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	t, queued := newTraffic(), &gauge{}
	var running sync.WaitGroup
	running.Go(func() { l.drive(loadCtx, l.plan.faultRate, time.Hour, t.add) })
	running.Go(func() { l.watchQueues(loadCtx, queued) })
	if f.limited {
		running.Go(func() { l.watchMemory(loadCtx, memory) })
	}
	pause(ctx, l.plan.faultBefore)

	begun := time.Now()
	end, err := f.begin(ctx, t)
	if err != nil {
		return nil, err
	}
	pause(ctx, f.duration)
	var unnoticed error
	if f.noticed != nil {
		unnoticed = f.noticed(ctx)
	}
	err = end(context.WithoutCancel(ctx))
	ended := time.Now()
	recovered := ended
	if err == nil {
		recovered, err = l.awaitRecovery(ctx, t, ended)
	}
	stopLoad()
	running.Wait()
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	var kept *followed
	if err == nil {
		kept, err = l.follow(ctx, t.logins, t.began, nil)
	}
	found = l.describe(f, t, kept, begun, ended)
	found.Timeline = t.timeline(queued, begun, ended)
	found.DataRecovery = recovered.Sub(ended).Seconds()
	failed := err
	if unnoticed != nil {
		fail(found, unnoticed)
	}
	if f.limited {
		// Where Docker is on another machine, no process is seen from here.
		found.Memory = slices.DeleteFunc(memory, func(p result.PartMemory) bool { return p.PeakBytes == 0 })
		if over := overLimit(memory); over != nil {
			fail(found, over)
		}
	}
	if found.Counted, err = l.counted(ctx, before, missing(found) > 0); err != nil {
		fail(found, err)
	}
	if now, err := l.deadLetters(); err != nil {
		fail(found, err)
	} else if now > dead {
		fail(found, fmt.Errorf("%d messages are dead letters", now-dead))
	}
	if failed != nil {
		found.NotRecovered, found.DataRecovery = true, time.Since(ended).Seconds()
		fail(found, failed)
	}
	return found, nil
}

// fail marks a fault that was brought about as one that the stack did not bear.
func fail(f *result.Fault, why error) {
	f.OK = false
	f.Detail = strings.TrimPrefix(f.Detail+"; "+why.Error(), "; ")
}

// awaitCalm waits until logins work, one after the other: after a fault go-zero's
// breaker still refuses a share of them for some seconds.
func (l *lab) awaitCalm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for row := 0; row < 20; row++ {
		if _, err := demo.LogIn(ctx, l.target.LoginURL, demo.Users[row%len(demo.Users)]); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("logins do not work for a minute: %w", err)
			}
			row = -1
			pause(ctx, 100*time.Millisecond)
		}
	}
	return nil
}

// awaitRecovery waits until no login has failed for a while, and until a login
// made after the fault is whole in every store: it came behind all that had to
// wait. It returns when that was.
func (l *lab) awaitRecovery(ctx context.Context, t *traffic, ended time.Time) (whole time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.plan.recovery)
	defer cancel()
	for whole.IsZero() {
		// Not the first login alone: it may have lost a span, which is another finding.
		if slices.ContainsFunc(t.sampleAfter(ended, 5*time.Second), func(one login) bool { return l.isWhole(ctx, one, t.began) }) {
			whole = time.Now()
		}
		if !pause(ctx, 100*time.Millisecond) {
			return time.Time{}, fmt.Errorf("%s after the fault no new login is whole in every store: %w", l.plan.recovery, context.Cause(ctx))
		}
	}
	for {
		last := t.lastFailure()
		if time.Since(last) > calm && time.Since(ended) > l.plan.faultAfter {
			return whole, nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return time.Time{}, fmt.Errorf("%s after the fault logins still fail: %w", l.plan.recovery, context.Cause(ctx))
		}
	}
}

func (l *lab) isWhole(ctx context.Context, one login, began time.Time) bool {
	for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
		trace, err := store.Trace(ctx, one.traceID)
		if err != nil || len(verify.MissingFromLogin(trace)) > 0 {
			return false
		}
	}
	lines, err := l.loki.Lines(ctx, fmt.Sprintf(`{service_name=~".+"} | trace_id=%q`, one.traceID), backend.Window{Start: began, End: time.Now()}, linesOfLogin)
	return err == nil && len(lines) == linesOfLogin
}

// describe says what a fault took. kept is nil when its logins were not looked up.
func (l *lab) describe(f fault, t *traffic, kept *followed, begun, ended time.Time) *result.Fault {
	found := &result.Fault{
		Name: f.name, Part: f.part, Kind: f.kind,
		Rate: float64(l.plan.faultRate), Seconds: ended.Sub(begun).Seconds(),
		Requests: len(t.answers), Acknowledged: len(t.logins), Failed: len(t.answers) - len(t.logins),
		ServiceRecovery: max(0, t.lastFailure().Sub(ended).Seconds()),
	}
	if kept == nil {
		return found
	}
	found.MessagesLost, found.MessagesDoubled = len(kept.unstored), len(kept.doubled)
	account := func(store string, expected int, m missingServices) result.Missing {
		missing := result.Missing{Store: store, Expected: expected, Missing: m.total()}
		switch from := begun.Add(-grace); f.loses {
		case "":
		case store:
			missing.Explained = m.of("", from, ended)
		default:
			missing.Explained = m.of(f.loses, from, ended)
		}
		return missing
	}
	for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
		found.Spans = append(found.Spans, account(store.Name(), verify.LoginSpans*len(t.logins), kept.spans[store.Name()]))
	}
	found.Logs = append(found.Logs, account(l.loki.Name(), linesOfLogin*len(t.logins), kept.logs))
	found.OK = found.MessagesLost+found.MessagesDoubled == 0 && missing(found) == 0
	return found
}

// missing counts what is missing and not explained by the fault itself.
func missing(f *result.Fault) (n int) {
	for _, all := range [][]result.Missing{f.Spans, f.Logs} {
		for _, m := range all {
			n += m.Missing - m.Explained
		}
	}
	return n
}

// counted returns the loss counters that rose. Services and collector tell their
// counters every 5 s: with losses to find, the next round is waited for.
func (l *lab) counted(ctx context.Context, before readings, wait bool) ([]result.Count, error) {
	if wait {
		pause(ctx, 6*time.Second)
	}
	after, err := l.readAll(ctx, lost)
	if err != nil {
		return nil, err
	}
	return before.risesTo(after), nil
}

// gauge is a value by the second.
type gauge struct {
	mu     sync.Mutex
	values map[int64]float64 // by Unix time
}

func (l *lab) watchQueues(ctx context.Context, g *gauge) {
	g.values = map[int64]float64{}
	for pause(ctx, 500*time.Millisecond) {
		bytes, _, err := l.queued(ctx)
		if err != nil {
			continue
		}
		g.mu.Lock()
		g.values[time.Now().Unix()] = bytes
		g.mu.Unlock()
	}
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
