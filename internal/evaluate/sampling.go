package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/evaluate/result"
	"throughline/internal/load"
	"throughline/internal/otlpload"
	"throughline/internal/verify"
)

const (
	samplingWait    = 5 * time.Second // of the second tier, from a trace's first span to its decision
	samplingPercent = 10
	samplingLogins  = 40 // real ones, beside the traces that are made

	// decisionsTimeout and storedTimeout are far longer than it takes: what has
	// not come by then does not come.
	decisionsTimeout = 45 * time.Second
	storedTimeout    = 15 * time.Second
)

// sampledTrace is a trace that was sent.
type sampledTrace struct {
	id    string
	spans int
	group int // of samplingGroups
}

// samplingGroups are the kinds of traces, by otlpload.Kind, and real logins.
var samplingGroups = []result.SamplingGroup{
	otlpload.OK:           {Name: "the rest", Expected: samplingPercent / 100.},
	otlpload.Failed:       {Name: "errors", Expected: 1},
	otlpload.Slow:         {Name: "slow", Expected: 1},
	otlpload.DeadLettered: {Name: "dead-lettered", Expected: 1},
	realLogins:            {Name: "logins through login-api", Expected: samplingPercent / 100.},
}

const realLogins = int(otlpload.DeadLettered) + 1

// sampling sends traces of every kind through two tiers and looks each of them up.
func (l *lab) sampling(ctx context.Context) (found *result.Sampling, err error) {
	if err := l.awaitCalm(ctx); err != nil { // after the step before, which looks for the most that it takes
		return nil, err
	}
	if err := l.handOver(ctx); err != nil {
		return nil, err
	}
	err = l.inTwoTiers(ctx, func() (err error) {
		found, err = l.sampled(ctx)
		return err
	})
	return found, err
}

// inTwoTiers measures with two tiers, and restores the set-up whatever comes of it.
func (l *lab) inTwoTiers(ctx context.Context, measure func() error) (err error) {
	fmt.Fprintln(l.progress, "changing the collector to two tiers")
	defer func() {
		fmt.Fprintln(l.progress, "changing the collector back")
		err = errors.Join(err, l.parts.Sampling(context.WithoutCancel(ctx), false))
	}()
	err = l.parts.Sampling(ctx, true, fmt.Sprintf("TAIL_SAMPLING_WAIT=%s", samplingWait),
		fmt.Sprintf("TAIL_SAMPLING_PERCENT=%d", samplingPercent), "TAIL_SAMPLING_SLOW_MS=1000")
	if err != nil {
		return err
	}
	return measure()
}

// sampled is what two tiers that have just started keep of the traces.
func (l *lab) sampled(ctx context.Context) (*result.Sampling, error) {
	counting := time.Now()
	client, err := otlpload.Dial(l.target.OTLPGRPC)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	traces, requests, late := samplingTraffic(l.plan.samplingTraces)
	fmt.Fprintf(l.progress, "sending %d traces in %d requests\n", len(traces), len(requests))
	logins, err := l.logins(ctx, func() error { return sendAll(ctx, client, requests) })
	if err != nil {
		return nil, err
	}
	traces = append(traces, logins...)

	fmt.Fprintf(l.progress, "waiting for %d decisions\n", len(traces))
	decided := fmt.Sprintf(`sum(%s)`, since(`otelcol_processor_tail_sampling_global_count_traces_sampled_total{service_name="sampler"}`, counting))
	if _, err := l.awaitCount(ctx, decided, int64(len(traces))); err != nil {
		return nil, fmt.Errorf("decisions of the second tier: %w", err)
	}
	// What comes after a trace was kept is kept. It also comes last: once it is
	// stored, so is all that was kept before.
	if err := client.Send(ctx, late); err != nil {
		return nil, err
	}

	found := &result.Sampling{
		SpansSent: client.Acknowledged() + int64(len(logins)*verify.LoginSpans),
		How: fmt.Sprintf("%d traces sent to the first tier by OTLP, the spans of each in one request for each service, some time apart, "+
			"and the last span of the dead-lettered after the decision; %d logins besides; every trace looked up in both stores", len(traces)-len(logins), len(logins)),
	}
	calls := fmt.Sprintf(`sum(%s)`, since(`traces_span_metrics_calls_total{service_name=~"login-api|user-rpc|audit-mq"}`, counting))
	if found.MetricCalls, err = l.awaitCount(ctx, calls, found.SpansSent); err != nil && found.MetricCalls == 0 {
		return nil, fmt.Errorf("span metrics: %w", err)
	}
	fmt.Fprintf(l.progress, "looking %d traces up\n", len(traces))
	found.Groups, found.SpansKept, err = l.lookUp(ctx, traces)
	return found, err
}

// handOver waits until the services have handed over the spans of what went before:
// each sends its own in order.
func (l *lab) handOver(ctx context.Context) error {
	login, err := demo.LogIn(ctx, l.target.LoginURL, demo.Users[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storedTimeout)
	defer cancel()
	_, err = backend.WaitForSpans(ctx, l.jaeger, login.TraceID, verify.LoginSpans)
	return err
}

// samplingTraffic makes so many traces in random order. The requests carry them
// as three services would: each its part, some time apart. What is late is the
// last span of the dead-lettered, after all retries.
func samplingTraffic(count int) (traces []sampledTrace, requests []ptrace.Traces, late ptrace.Traces) {
	const requestsEach = 40 // and a few for what is behind
	perRequest := max(10, count/requestsEach)
	late = ptrace.NewTraces()
	var parts [][]ptrace.Traces
	for i, kind := range rand.Perm(count) {
		kind := otlpload.Kind(kind % 20) // 5 % of each of three kinds
		if kind > otlpload.DeadLettered {
			kind = otlpload.OK
		}
		id, trace := otlpload.Trace(kind)
		traces = append(traces, sampledTrace{id: id, spans: trace.SpanCount(), group: int(kind)})
		if kind == otlpload.DeadLettered {
			moveDeadLetters(trace, late)
		}
		for behind, resource := range trace.ResourceSpans().All() {
			for i/perRequest+behind >= len(parts) {
				parts = append(parts, nil)
			}
			part := ptrace.NewTraces()
			resource.CopyTo(part.ResourceSpans().AppendEmpty())
			parts[i/perRequest+behind] = append(parts[i/perRequest+behind], part)
		}
	}
	for _, part := range parts {
		requests = append(requests, otlpload.Batch(part...))
	}
	return traces, requests, late
}

// moveDeadLetters takes the sends to the queue of the dead letters out of the trace.
func moveDeadLetters(trace, to ptrace.Traces) {
	for _, resource := range trace.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			scope.Spans().RemoveIf(func(span ptrace.Span) bool {
				queue, ok := span.Attributes().Get("messaging.destination.name")
				if !ok || queue.Str() != deadQueue {
					return false
				}
				into := to.ResourceSpans().AppendEmpty()
				resource.Resource().CopyTo(into.Resource())
				scopeInto := into.ScopeSpans().AppendEmpty()
				scope.Scope().CopyTo(scopeInto.Scope())
				span.CopyTo(scopeInto.Spans().AppendEmpty())
				return true
			})
		}
	}
}

func sendAll(ctx context.Context, client *otlpload.Client, requests []ptrace.Traces) error {
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for _, request := range requests {
		if err := client.Send(ctx, request); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	return nil
}

// logins logs in while the other work goes on.
func (l *lab) logins(ctx context.Context, other func() error) ([]sampledTrace, error) {
	var traces []sampledTrace
	var refused error
	group, ctx := errgroup.WithContext(ctx)
	group.Go(other)
	group.Go(func() error {
		const rate = 20 // per second
		l.drive(ctx, rate, samplingLogins*time.Second/rate, func(answer load.Answer) {
			if !answer.OK() {
				refused = fmt.Errorf("a login failed: %s", answer.Error)
				return
			}
			traces = append(traces, sampledTrace{id: answer.TraceID, spans: verify.LoginSpans, group: realLogins})
		})
		return refused
	})
	return traces, group.Wait()
}

// since selects what was last counted after t: a process that was restarted
// counts from 0, and what its predecessor counted stays visible for a while.
func since(selector string, t time.Time) string {
	return fmt.Sprintf("%s and timestamp(%s) > %.3f", selector, selector, float64(t.UnixMilli())/1000)
}

// awaitCount asks until the expression has reached the count. It returns what it
// saw last, with an error when the time was up.
func (l *lab) awaitCount(ctx context.Context, promQL string, count int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, decisionsTimeout)
	defer cancel()
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	var seen int64
	for {
		series, err := l.prometheus.Query(ctx, promQL, time.Now())
		if err == nil && len(series) == 1 {
			seen = int64(series[0].Points[0].Value)
		}
		if seen >= count {
			return seen, nil
		}
		select {
		case <-ctx.Done():
			return seen, errors.Join(fmt.Errorf("%d of %d counted: %w", seen, count, context.Cause(ctx)), err)
		case <-pace.C:
		}
	}
}

// lookUp compares what both stores hold with what was sent. Traces that must be
// kept are waited for.
func (l *lab) lookUp(ctx context.Context, traces []sampledTrace) ([]result.SamplingGroup, int64, error) {
	held := make([]int, len(traces))
	look := func(mustBeKept bool) error {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(8)
		deadline := time.Now().Add(storedTimeout)
		for i, trace := range traces {
			if mustBeKept == (samplingGroups[trace.group].Expected == 1) {
				group.Go(func() (err error) {
					held[i], err = l.heldByBoth(groupCtx, trace, mustBeKept, deadline)
					return err
				})
			}
		}
		return group.Wait()
	}
	if err := errors.Join(look(true), look(false)); err != nil {
		return nil, 0, err
	}
	groups := append([]result.SamplingGroup(nil), samplingGroups...)
	var kept int64
	for i, trace := range traces {
		group := &groups[trace.group]
		group.Sent++
		kept += int64(held[i])
		switch held[i] {
		case trace.spans:
			group.Whole++
		case 0:
			group.Absent++
		default:
			group.Partial++
		}
	}
	return groups, kept, nil
}

// heldByBoth returns how many of the trace's spans the store has that has fewer.
func (l *lab) heldByBoth(ctx context.Context, trace sampledTrace, wait bool, deadline time.Time) (int, error) {
	fewest := trace.spans
	for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
		found, err := store.Trace(ctx, trace.id)
		absent := errors.Is(err, backend.ErrNotFound)
		if wait && absent || err == nil && found.SpanCount() < trace.spans {
			waitCtx, cancel := context.WithDeadline(ctx, deadline)
			found, _ = backend.WaitForSpans(waitCtx, store, trace.id, trace.spans)
			cancel()
		} else if err != nil && !absent {
			return 0, err
		}
		fewest = min(fewest, found.SpanCount())
	}
	return fewest, ctx.Err()
}
