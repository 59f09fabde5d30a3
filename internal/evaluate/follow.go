package evaluate

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/verify"
)

// logsOfLogin is how many lines each service writes of a login, at the least.
var logsOfLogin = map[string]int{"login-api": 1, "user-rpc": 2, "audit-mq": 2}

const linesOfLogin = 5

// missingServices are the services of the spans or lines that are missing, by login.
type missingServices map[login][]string

func (m missingServices) total() (n int) {
	for _, services := range m {
		n += len(services)
	}
	return n
}

// of counts what is missing from the service, of logins answered in the time
// given; every service when the name is empty.
func (m missingServices) of(service string, from, to time.Time) (n int) {
	for login, services := range m {
		if login.answered.Before(from) || login.answered.After(to) {
			continue
		}
		for _, s := range services {
			if service == "" || s == service {
				n++
			}
		}
	}
	return n
}

// followed is what the stores came to hold of acknowledged logins.
type followed struct {
	unstored, doubled []login                    // without an audit row, with more than one
	spans             map[string]missingServices // by store
	logs              missingServices
	lines             int // of theirs in Loki, with those that a slow call adds
}

// follow waits until the audit trail, both trace stores and Loki hold all that
// the logins must have left since the load began, or until nothing more comes.
// whole, when it is not nil, is given both stores' trace of each login.
func (l *lab) follow(ctx context.Context, logins []login, began time.Time, whole func(jaeger, tempo backend.Trace)) (*followed, error) {
	f := &followed{spans: map[string]missingServices{}}
	window := func() backend.Window { return backend.Window{Start: began.Add(-time.Second), End: time.Now()} }
	var looks errgroup.Group
	for _, look := range []func() (left int, err error){
		func() (int, error) { return l.lookForRows(ctx, f, logins) },
		l.traceLooker(ctx, f, logins, window, whole),
		func() (int, error) { return l.lookForLines(ctx, f, logins, window()) },
	} {
		looks.Go(func() error { return l.untilNothingLeft(ctx, look) })
	}
	return f, looks.Wait()
}

const (
	lookInterval = 500 * time.Millisecond
	// enough is how long nothing may come, with the collector's queues empty,
	// before the rest counts as lost; tooLong, whatever the queues hold.
	enough  = 6 * time.Second
	tooLong = 3 * time.Minute
)

// untilNothingLeft looks again and again until nothing is left, or until nothing
// has come for long enough. The error is that of the last look.
func (l *lab) untilNothingLeft(ctx context.Context, look func() (left int, err error)) error {
	last := time.Now() // when something came
	for before := -1; ; {
		left, err := look()
		if left != before {
			before, last = left, time.Now()
		}
		quiet := time.Since(last)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && left == 0:
			return nil
		case quiet > tooLong, quiet > enough && l.queuesEmpty(ctx):
			return err
		}
		pause(ctx, lookInterval)
	}
}

// lookForRows looks the logins up in the audit trail, newest first, until no login
// of theirs can be further back.
func (l *lab) lookForRows(ctx context.Context, f *followed, logins []login) (int, error) {
	const page = 1000 // audit-mq's own limit
	rows := map[string]map[string]bool{}
	for offset := 0; offset < 2*len(logins)+page; offset += page {
		audit, err := demo.ReadAudit(ctx, l.target.AuditURL, demo.AuditFilter{Limit: page, Offset: offset})
		if err != nil {
			return len(logins), err
		}
		for _, row := range audit.Logins {
			if rows[row.TraceID] == nil {
				rows[row.TraceID] = map[string]bool{}
			}
			rows[row.TraceID][row.MessageID] = true // a row that comes meanwhile moves the pages
		}
		if len(audit.Logins) < page {
			break
		}
	}
	f.unstored, f.doubled = nil, nil
	for _, login := range logins {
		switch n := len(rows[login.traceID]); {
		case n == 0:
			f.unstored = append(f.unstored, login)
		case n > 1:
			f.doubled = append(f.doubled, login)
		}
	}
	return len(f.unstored), nil
}

// traceLooker looks for those traces that were not whole before.
func (l *lab) traceLooker(ctx context.Context, f *followed, logins []login, window func() backend.Window, whole func(jaeger, tempo backend.Trace)) func() (int, error) {
	stores := []backend.TraceStore{l.jaeger, l.tempo}
	held := make([]map[login]backend.Trace, len(stores)) // whole in one store so far
	for i, store := range stores {
		held[i], f.spans[store.Name()] = map[login]backend.Trace{}, missingServices{}
		for _, login := range logins {
			f.spans[store.Name()][login] = verify.MissingFromLogin(backend.Trace{})
		}
	}
	return func() (int, error) {
		if whole == nil {
			l.dropComplete(ctx, f.spans[l.tempo.Name()], window())
		}
		var mu sync.Mutex
		var group errgroup.Group
		group.SetLimit(8)
		for i, store := range stores {
			missing := f.spans[store.Name()]
			for login := range maps.Clone(missing) {
				group.Go(func() error {
					trace, _ := store.Trace(ctx, login.traceID) // a store that does not answer yet lacks all
					services := verify.MissingFromLogin(trace)
					mu.Lock()
					defer mu.Unlock()
					if missing[login] = services; len(services) == 0 {
						delete(missing, login)
						held[i][login] = trace
					}
					return nil
				})
			}
		}
		_ = group.Wait()
		for login, a := range held[0] {
			if b, both := held[1][login]; both {
				if whole != nil {
					whole(a, b)
				}
				delete(held[0], login)
				delete(held[1], login)
			}
		}
		return f.spans[l.jaeger.Name()].total() + f.spans[l.tempo.Name()].total(), nil
	}
}

// dropComplete drops the logins of which Tempo's search finds every span: to
// read thousands of traces one by one takes Tempo minutes. What it leaves is read.
// When that is much, it waits a while for Tempo to finish its head block, in which
// the pieces of a trace are not yet joined, so that a search sees each alone. To
// search a long window again and again takes longer than it saves.
func (l *lab) dropComplete(ctx context.Context, missing missingServices, w backend.Window) {
	const (
		fewEnough = 50
		much      = 500
		finished  = 30 * time.Second
		long      = 2 * time.Minute
		slice     = 10 * time.Second
	)
	if len(missing) <= fewEnough {
		return
	}
	byID := map[string]login{}
	for login := range missing {
		byID[login.traceID] = login
	}
	query := verify.LoginTraceQL()
	for began := time.Now(); ; {
		for start := w.Start; start.Before(w.End); start = start.Add(slice) {
			ids, err := l.tempo.SearchIn(ctx, query, backend.Window{Start: start, End: start.Add(slice + time.Second)}, 100_000)
			if err != nil {
				return
			}
			for _, id := range ids {
				delete(missing, byID[id])
			}
		}
		if len(missing) <= much || w.End.Sub(w.Start) > long || time.Since(began) > finished || !pause(ctx, finished/6) {
			return
		}
	}
}

func (l *lab) lookForLines(ctx context.Context, f *followed, logins []login, w backend.Window) (int, error) {
	lines, err := l.linesByTrace(ctx, w)
	f.logs, f.lines = missingServices{}, 0
	for _, login := range logins {
		for service, want := range logsOfLogin {
			f.lines += lines[login.traceID][service]
			for range want - lines[login.traceID][service] {
				f.logs[login] = append(f.logs[login], service)
			}
		}
	}
	return f.logs.total(), err
}

// linesByTrace counts the services' lines, by trace id and service.
func (l *lab) linesByTrace(ctx context.Context, w backend.Window) (map[string]map[string]int, error) {
	const most = 5000 // lines in one answer, Loki's own limit
	counts := map[string]map[string]int{}
	slice := 5 * time.Second
	for start := w.Start; start.Before(w.End); {
		end := start.Add(slice)
		lines, err := l.loki.Lines(ctx, `{service_name=~"login-api|user-rpc|audit-mq"} | trace_id != ""`, backend.Window{Start: start, End: end}, most)
		if err != nil {
			return counts, err
		}
		if len(lines) == most {
			if slice /= 2; slice < time.Millisecond {
				return counts, fmt.Errorf("more than %d lines of log within %s", most, slice)
			}
			continue
		}
		for _, line := range lines {
			id := line.Labels["trace_id"]
			if counts[id] == nil {
				counts[id] = map[string]int{}
			}
			counts[id][line.Labels["service_name"]]++
		}
		start = end
	}
	return counts, nil
}
