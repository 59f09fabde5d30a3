package verify

import (
	"context"
	"fmt"
	"io"
	"time"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/tree"
)

// showTimeout bounds ShowLogin: services that still warm up, and a collector
// that still waits before it dials a store again, get this long.
const showTimeout = time.Minute

// ShowLogin logs one demo user in, trying again while the services warm up,
// waits for the whole trace and prints it to w as a tree. With compare it waits
// until both stores have it and says whether they hold the same; without, the
// store that has it first will do. The error says what did not come about; a
// trace that is not whole is printed all the same.
func ShowLogin(ctx context.Context, target Target, w io.Writer, compare bool) error {
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	login, _, err := logInWhenReady(ctx, target.LoginURL, demo.Users[0])
	if err != nil {
		return err
	}
	stores := target.stores()
	wait := waitInAny
	if compare {
		wait = waitInAll
	}
	traces, waitErr := wait(ctx, stores, login.TraceID, LoginSpans)
	shown := fullest(traces)
	if len(shown.Spans) > 0 {
		if err := tree.Print(w, shown); err != nil {
			return err
		}
	}
	if waitErr != nil {
		return fmt.Errorf("the trace of a login, %s, is not whole: %w", login.TraceID, waitErr)
	}
	if wrong := mismatches(loginTree, shown); len(wrong) > 0 {
		return fmt.Errorf("the trace of a login, %s: %s", login.TraceID, firstOf(wrong))
	}
	if !compare {
		return nil
	}
	if found := Differences(stores[0].Name(), traces[0], stores[1].Name(), traces[1]); len(found) > 0 {
		return fmt.Errorf("%s and %s differ in trace %s: %s", stores[0].Name(), stores[1].Name(), login.TraceID, firstOf(found))
	}
	_, err = fmt.Fprintf(w, "%s and %s hold the same %d spans\n", stores[0].Name(), stores[1].Name(), len(shown.Spans))
	return err
}

// waitInAny waits until one of the stores holds at least n spans of the trace.
func waitInAny(ctx context.Context, stores []backend.TraceStore, traceID string, n int) ([]backend.Trace, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		trace backend.Trace
		err   error
	}
	outcomes := make(chan outcome, len(stores))
	for _, store := range stores {
		go func() {
			trace, err := backend.WaitForSpans(ctx, store, traceID, n)
			outcomes <- outcome{trace, err}
		}()
	}
	var traces []backend.Trace
	var err error
	for range stores {
		o := <-outcomes
		traces = append(traces, o.trace)
		if o.err == nil {
			return traces, nil
		}
		err = o.err
	}
	return traces, err
}

// fullest returns the trace with the most spans.
func fullest(traces []backend.Trace) backend.Trace {
	var most backend.Trace
	for _, trace := range traces {
		if trace.SpanCount() > most.SpanCount() {
			most = trace
		}
	}
	return most
}
