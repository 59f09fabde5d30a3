package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/probe"
)

// loginPace is the time between two logins: quick, but so that the polling for
// their traces does not become the load that is measured.
const loginPace = 100 * time.Millisecond

// loginTimeout bounds the attempts at one login.
const loginTimeout = 15 * time.Second

// freshnessTarget is how soon after its response a login's whole trace has to
// be there in both stores.
const freshnessTarget = 3 * time.Second

// tracedLogin is a login and what the stores came to hold of it.
type tracedLogin struct {
	demo.Login
	// traces are in the order of run.stores; they may be incomplete.
	traces []backend.Trace
	// fresh is the time from the response until the whole trace could be had
	// from every store; it is meaningful only without an error.
	fresh time.Duration
	err   error // why a trace is incomplete
}

// checkLogins logs in and waits for the traces, which the next checks look at.
func (r *run) checkLogins(ctx context.Context) Check {
	if err := r.reachable(ctx); err != nil {
		return failed("%v", err)
	}
	var group errgroup.Group
	var mu sync.Mutex
	pace := time.NewTicker(loginPace)
	defer pace.Stop()
	var loginErr error
	refusals := 0
	for i := range r.options.Logins {
		loginCtx, cancel := context.WithTimeout(ctx, loginTimeout)
		login, refused, err := logInWhenReady(loginCtx, r.target.LoginURL, demo.Users[i%len(demo.Users)])
		cancel()
		refusals += refused
		if err != nil {
			loginErr = err
			break
		}
		group.Go(func() error {
			traced := r.waitForTrace(ctx, login)
			mu.Lock()
			defer mu.Unlock()
			r.logins = append(r.logins, traced)
			return traced.err
		})
		select {
		case <-ctx.Done():
		case <-pace.C:
		}
	}
	err := group.Wait()
	slices.SortFunc(r.logins, func(a, b tracedLogin) int { return a.AnsweredAt.Compare(b.AnsweredAt) })
	check := Check{Value: float64(len(r.logins)), Unit: "logins"}
	complete := 0
	for _, login := range r.logins {
		if login.err == nil {
			complete++
		}
	}
	switch {
	case loginErr != nil:
		check.Detail = fmt.Sprintf("after %d logins: %v", len(r.logins), loginErr)
	case err != nil:
		check.Detail = fmt.Sprintf("%d of %d traces complete within %s of their login; the first other: %v",
			complete, len(r.logins), r.options.TraceTimeout, err)
	default:
		check.OK = true
		check.Detail = fmt.Sprintf("%d acknowledged, of %d users; all traces complete in %s", len(r.logins), min(len(r.logins), len(demo.Users)), r.storeNames())
		if refusals > 0 {
			check.Detail += fmt.Sprintf("; tried again after %d refusals", refusals)
		}
	}
	return check
}

// logInWhenReady tries until a login succeeds or ctx ends: a busy service refuses with
// 503, and a client has to try again. It returns the number of refusals, too. Before
// login-api says that it is ready none is tried: its breaker would count it, and then
// refuse the logins of others.
func logInWhenReady(ctx context.Context, loginURL string, user demo.User) (login demo.Login, refused int, err error) {
	const interval = 250 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	ready := probe.HTTP(strings.TrimRight(loginURL, "/") + "/readyz")
	var last error
	for {
		err := ready(ctx)
		if err == nil {
			login, err = demo.LogIn(ctx, loginURL, user)
			if err == nil || !errors.Is(err, demo.ErrUnavailable) {
				return login, refused, err
			}
			refused++
		} else {
			err = fmt.Errorf("login-api is %w, it is not ready: %w; see with `throughline status` what runs", demo.ErrUnavailable, err)
		}
		if last == nil || ctx.Err() == nil { // the end of ctx says less than what was before
			last = err
		}
		select {
		case <-ctx.Done():
			return demo.Login{}, refused, last
		case <-ticker.C:
		}
	}
}

// reachable saves the waiting for what a store that is down will never hold.
func (r *run) reachable(ctx context.Context) error {
	var group errgroup.Group
	for _, store := range r.stores {
		group.Go(func() error { return backend.Reachable(ctx, store) })
	}
	return group.Wait()
}

// waitForTrace waits for the whole trace of a login in all stores at once.
func (r *run) waitForTrace(ctx context.Context, login demo.Login) tracedLogin {
	ctx, cancel := context.WithDeadline(ctx, login.AnsweredAt.Add(r.options.TraceTimeout))
	defer cancel()
	traced := tracedLogin{Login: login}
	traced.traces, traced.err = waitInAll(ctx, r.stores, login.TraceID, LoginSpans)
	traced.fresh = time.Since(login.AnsweredAt)
	return traced
}

// waitInAll waits until every store holds at least n spans of the trace. The
// traces are in the order of the stores.
func waitInAll(ctx context.Context, stores []backend.TraceStore, traceID string, n int) ([]backend.Trace, error) {
	traces := make([]backend.Trace, len(stores))
	var group errgroup.Group
	for i, store := range stores {
		group.Go(func() error {
			var err error
			traces[i], err = backend.WaitForSpans(ctx, store, traceID, n)
			return err
		})
	}
	return traces, group.Wait()
}

func (r *run) storeNames() string {
	var names []string
	for _, store := range r.stores {
		names = append(names, store.Name())
	}
	return strings.Join(names, " and ")
}

// checkFreshness looks at the median, which one slow trace does not move.
func (r *run) checkFreshness(context.Context) Check {
	var times []time.Duration
	for _, login := range r.logins {
		if login.err == nil {
			times = append(times, login.fresh)
		}
	}
	if len(times) == 0 || len(times) < len(r.logins) {
		return failed("%v", errNoTrace)
	}
	slices.Sort(times)
	middle := times[len(times)/2]
	return Check{
		OK: middle <= freshnessTarget,
		Detail: fmt.Sprintf("a login's whole trace is in %s after %d ms (median of %d; slowest %d ms; target %d ms)",
			r.storeNames(), middle.Milliseconds(), len(times), times[len(times)-1].Milliseconds(), freshnessTarget.Milliseconds()),
		Value: float64(middle.Milliseconds()),
		Unit:  "ms",
	}
}

// checkStoredOnce looks up each acknowledged login by its trace id.
func (r *run) checkStoredOnce(ctx context.Context) Check {
	if len(r.logins) == 0 {
		return failed("%v", errNoTrace)
	}
	// All of them together get this time to arrive; each gets a look.
	patience, cancel := context.WithTimeout(ctx, r.options.TraceTimeout/3)
	defer cancel()
	var wrong []string
	for _, login := range r.logins {
		filter := demo.AuditFilter{TraceID: login.TraceID}
		audit, err := demo.WaitForAudit(patience, r.target.AuditURL, filter, func(a demo.Audit) bool { return a.Total > 0 })
		if err != nil && patience.Err() != nil {
			audit, err = demo.ReadAudit(ctx, r.target.AuditURL, filter)
		}
		switch {
		case err != nil:
			return failed("login of user %d, trace %s: %v", login.User.ID, login.TraceID, err)
		case audit.Total != 1:
			wrong = append(wrong, fmt.Sprintf("the login of user %d with trace %s has %d rows", login.User.ID, login.TraceID, audit.Total))
		case audit.Logins[0].UserID != login.User.ID:
			wrong = append(wrong, fmt.Sprintf("the login of user %d with trace %s is stored for user %d", login.User.ID, login.TraceID, audit.Logins[0].UserID))
		}
	}
	stored := len(r.logins) - len(wrong)
	check := Check{OK: len(wrong) == 0, Value: float64(stored), Unit: "logins"}
	check.Detail = fmt.Sprintf("%d of %d acknowledged logins have exactly one row in audit-mq", stored, len(r.logins))
	if !check.OK {
		check.Detail += "; " + firstOf(wrong) + "; look into audit-mq's log and the queues user.events.audit and user.events.audit.dead"
	}
	return check
}

// firstOf joins the first few of many findings.
func firstOf(findings []string) string {
	const most = 3
	if len(findings) <= most {
		return strings.Join(findings, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(findings[:most], "; "), len(findings)-most)
}
