package backend

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// ErrNotFound means that a store answered and does not hold the trace (yet).
var ErrNotFound = errors.New("trace not found")

// TraceStore is a store of traces.
type TraceStore interface {
	// Name is the store's name as a person knows it, for messages.
	Name() string
	// Trace returns the trace with the given id (see ParseTraceID). The error
	// is ErrNotFound, by errors.Is, when the store does not hold it.
	Trace(ctx context.Context, id string) (Trace, error)
}

var traceIDPattern = regexp.MustCompile(`^[0-9a-f]{16,32}$`)

// ParseTraceID returns id in lower case and with the leading zeros that the
// stores leave out, or an error that says what a trace id looks like.
func ParseTraceID(id string) (string, error) {
	lower := strings.ToLower(strings.TrimSpace(id))
	if !traceIDPattern.MatchString(lower) || strings.Trim(lower, "0") == "" {
		return "", fmt.Errorf("%q is not a trace id: give 32 hexadecimal digits, not all zero, as in the X-Trace-Id header of a response", id)
	}
	return padTraceID(lower), nil
}

// pollInterval is how long a wait rests between two looks; it bounds the
// precision of a measured waiting time.
const pollInterval = 100 * time.Millisecond

// WaitForSpans looks for the trace in store until it has at least n distinct spans, or
// until ctx ends, and then returns what it saw last together with an error
// that says how far the trace had come. Errors of the store do not end the
// wait, for it may be starting. The caller gives ctx a deadline.
func WaitForSpans(ctx context.Context, store TraceStore, id string, n int) (Trace, error) {
	started := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var seen Trace
	var last error
	for {
		trace, err := store.Trace(ctx, id)
		if err == nil && trace.SpanCount() >= n {
			return trace, nil
		}
		// The end of ctx cuts off the last look: what was known before says more.
		if ctx.Err() == nil || last == nil && err != nil {
			last = err
		}
		if err == nil {
			seen, last = trace, fmt.Errorf("%s holds %d of %d spans of trace %s", store.Name(), trace.SpanCount(), n, id)
		}
		select {
		case <-ctx.Done():
			return seen, fmt.Errorf("waited %s: %w", time.Since(started).Round(time.Millisecond), last)
		case <-ticker.C:
		}
	}
}

// Reachable asks store for a trace that cannot exist, and returns nil when it
// answers.
func Reachable(ctx context.Context, store TraceStore) error {
	_, err := store.Trace(ctx, strings.Repeat("0", 31)+"1")
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return errors.Unwrap(err) // without the id, which would only puzzle
}
