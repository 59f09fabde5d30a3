package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fatih/color"
	"golang.org/x/sys/unix"

	"throughline/internal/backend"
	"throughline/internal/evaluate/report"
	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
	"throughline/internal/terminal"
	"throughline/internal/verify"
)

// Options say what to evaluate, and how thoroughly.
type Options struct {
	// Out is the directory of the report; it is made when missing.
	Out string
	// Duration is short (within 10 minutes on 2 cores) or full (within 60).
	Duration string
	// Target is native or compose.
	Target string
	// Only is OnlyStack, OnlyStores, or empty for both.
	Only   string
	Stores StoreOptions
	// Rest is how long what went before may take to come to rest; 0 is the plan's.
	Rest time.Duration
	// Progress gets lines of text as the evaluation goes on.
	Progress io.Writer
}

// step is one measurement.
type step struct {
	name  string
	usual time.Duration
	skip  string // why it does not apply here; empty when it does
	run   func(ctx context.Context, r *result.Results) (summary string, err error)
}

// Run evaluates the stack, which must run unless only stores are measured, and
// which it locks, and writes the report after each step. An evaluation that was
// interrupted goes on where it stopped when it is run again under the same
// conditions. A step that cannot be done is in the results with the reason, and
// [result.Results.Failures] tells whether it passed; an error means that there is
// no evaluation.
func Run(ctx context.Context, s *stack.Stack, options Options) (found *result.Results, err error) {
	plan, err := planOf(options.Duration)
	if err != nil {
		return nil, err
	}
	plan.rest = cmp.Or(options.Rest, plan.rest)
	unlock, err := s.Lock() // else `make up` would mend what is broken on purpose
	if err != nil {
		return nil, err
	}
	defer unlock()
	var steps []step
	resume := func(context.Context) error { return nil }
	if options.Only != OnlyStack {
		if steps, resume, err = storeSteps(s, options); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, resume(context.WithoutCancel(ctx))) }()
	}
	if options.Only != OnlyStores {
		l, err := labOf(ctx, s, plan, options)
		if err != nil {
			return nil, err
		}
		for _, step := range l.steps() {
			run := step.run
			step.run = func(ctx context.Context, r *result.Results) (string, error) {
				if err := resume(ctx); err != nil {
					return "", err
				}
				return run(ctx, r)
			}
			steps = append(steps, step)
		}
	}
	as, err := conditionsOf(ctx, s, options)
	if err != nil {
		return nil, err
	}
	state, why, err := openState(options, as)
	if err != nil {
		return nil, err
	}
	if why != "" {
		fmt.Fprintf(options.Progress, "not going on with the evaluation in %s, beginning anew: %s\n", options.Out, why)
	}
	if len(state.Done) == 0 {
		state.Results.Machine = machine(ctx, s)
		if options.Target == "compose" {
			if state.Results.Machine.Versions, err = (compose{s.Root()}).versions(ctx); err != nil {
				return nil, err
			}
		}
		state.Results.Revision = revision(s.Root())
		if plan.outage == 0 && options.Only != OnlyStores {
			state.Results.NotRun = []result.NotRun{{
				Step: "faults: outage of each part", Reason: "one after the other only in the full evaluation; here all stores at once", NotApplicable: true,
			}}
		}
	}

	var left time.Duration
	for _, step := range steps {
		if !slices.Contains(state.Done, step.name) && step.skip == "" {
			left += step.usual
		}
	}
	fmt.Fprintf(options.Progress, "%s evaluation in %d steps, about %s; interrupted, it goes on when it is run again\n",
		options.Duration, len(steps), left.Round(time.Second))
	if len(state.Done) > 0 {
		fmt.Fprintf(options.Progress, "going on with that of %s: %d steps are done\n", state.Results.Started.Local().Format(time.TimeOnly), len(state.Done))
	}
	for i, step := range steps {
		if slices.Contains(state.Done, step.name) {
			continue
		}
		fmt.Fprintf(options.Progress, "%2d of %d  %s; %s left\n", i+1, len(steps), step.name, left.Round(time.Second))
		began := time.Now()
		summary, err := step.take(ctx, options.Progress, &state.Results)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(options.Progress, "       %s  (%.1f s)\n", summary, time.Since(began).Seconds())
		if step.skip == "" {
			left -= step.usual
		}
		state.Done = append(state.Done, step.name)
		state.Results.Ended = time.Now()
		if options.Only != OnlyStores {
			state.Results.Objectives = objectives(&state.Results, plan)
		}
		if err := state.save(); err != nil {
			return nil, err
		}
		if err := report.Write(options.Out, state.Results); err != nil {
			return nil, err
		}
	}
	return &state.Results, state.close()
}

// labOf returns the lab of a stack that runs and is at rest.
func labOf(ctx context.Context, s *stack.Stack, plan plan, options Options) (l *lab, err error) {
	var control parts = native{s}
	if options.Target == "compose" {
		control = compose{s.Root()}
	}
	l = newLab(verify.TargetOf(s), control, plan, options.Progress)
	l.brokerNodes = s.BrokerNodes()
	if l.limited, err = limitedParts(s.Root()); err != nil {
		return nil, err
	}
	l.scratch, l.jaegerOTLP, l.jaegerMetrics = scratchOf(s), s.JaegerOTLP(), s.JaegerMetrics()
	if err := l.reachable(ctx); err != nil {
		return nil, err
	}
	if err := l.awaitCalm(ctx); err != nil { // services that have just started refuse some
		return nil, err
	}
	_, err = l.rowsAtRest(ctx)
	return l, err
}

// take runs the step, or puts down why it was not run. It returns what came of it
// in a line, with a mark. The error says that it was interrupted, or disturbed.
func (s step) take(ctx context.Context, progress io.Writer, r *result.Results) (line string, err error) {
	if s.skip != "" {
		r.NotRun = append(r.NotRun, result.NotRun{Step: s.name, Reason: s.skip, NotApplicable: true})
		return "- not applicable: " + s.skip, nil
	}
	failures := len(r.Failures())
	summary, err := s.run(ctx, r)
	if ctx.Err() != nil {
		return "", fmt.Errorf("interrupted in %q; run it again to go on: %w", s.name, ctx.Err())
	}
	if errors.As(err, &disturbed{}) {
		return "", fmt.Errorf("stopped in %q: %w", s.name, err)
	}
	if err != nil {
		summary = "not measured: " + err.Error()
		r.NotRun = append(r.NotRun, result.NotRun{Step: s.name, Reason: err.Error(), NotApplicable: errors.As(err, &notApplicable{})})
	}
	if len(r.Failures()) > failures {
		return terminal.Color(progress, color.FgRed).Sprint("✗ ") + summary, nil
	}
	return terminal.Color(progress, color.FgGreen).Sprint("✓ ") + summary, nil
}

// notApplicable is the error of a step that this machine does not let be run.
type notApplicable struct{ error }

func scratchOf(s *stack.Stack) string { return filepath.Join(s.RunDir(), "evaluate") }

// Clear removes what an evaluation that was killed has left of its own in the run
// directory of a stack that is down. What it has broken, Up mends.
func Clear(s *stack.Stack) error {
	scratch := scratchOf(s)
	_ = unix.Unmount(smallDisk(scratch), 0) // as a rule there is none
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("remove what an evaluation has left: %w; run it again as the user who ran the evaluation", err)
	}
	return nil
}

const (
	stepCollector = "collector efficiency"
	stepSampling  = "tail sampling in two tiers"
)

// steps are all measurements of the plan, in order.
func (l *lab) steps() []step {
	p := l.plan
	comparing := time.Duration(float64(p.steadyRate)*(p.steady+p.fresh).Seconds()) * 45 * time.Millisecond
	all := []step{
		{"steady load: correctness, freshness, cost", p.idle + p.steady + p.fresh + comparing + 10*time.Second, "", l.stepSteady},
		{stepCollector, 40 * time.Second, l.parts.Fixed(), func(ctx context.Context, r *result.Results) (string, error) {
			found, err := l.collector(ctx)
			if err != nil {
				return "", err
			}
			r.Collector = found
			return fmt.Sprintf("%.2f of its spans per CPU second", found.Ratio), nil
		}},
		{"capacity", time.Duration(len(p.capacityRates)) * (p.capacityStep + 8*time.Second), "", func(ctx context.Context, r *result.Results) (string, error) {
			found, err := l.capacity(ctx)
			if err != nil {
				return "", err
			}
			r.Capacity = found
			return fmt.Sprintf("%.0f logins a second sustained; %s", found.Sustained, found.Broke), nil
		}},
		{stepSampling, 40 * time.Second, l.parts.Fixed(), func(ctx context.Context, r *result.Results) (summary string, err error) {
			r.Sampling, err = l.sampling(ctx)
			return "measured", err
		}},
	}
	for _, f := range l.faults() {
		all = append(all, step{f.name, p.faultBefore + f.duration + p.faultAfter + 6*time.Second, f.skip, func(ctx context.Context, r *result.Results) (string, error) {
			found, err := l.inject(ctx, f)
			if err != nil {
				return "", err
			}
			r.Faults = append(r.Faults, *found)
			if found.NotRecovered {
				return "not recovered: " + found.Detail, nil
			}
			return fmt.Sprintf("%d of %d logins failed; messages lost %d, doubled %d; spans and lines lost %d; recovered %.1f s, data %.1f s after its end",
				found.Failed, found.Requests, found.MessagesLost, found.MessagesDoubled, missing(found), found.ServiceRecovery, found.DataRecovery), nil
		}})
	}
	return all
}

func (l *lab) stepSteady(ctx context.Context, r *result.Results) (string, error) {
	if err := l.steady(ctx, r); err != nil {
		return "", err
	}
	c := r.Correctness
	return fmt.Sprintf("%d traces compared, %d differ, of %d logins", c.TracesCompared, c.TracesDiffering, c.Logins), nil
}

// reachable saves the time for what is not there.
func (l *lab) reachable(ctx context.Context) error {
	var errs []error
	for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
		errs = append(errs, backend.Reachable(ctx, store))
	}
	_, err := l.loki.Lines(ctx, `{service_name="login-api"}`, backend.Last(time.Minute), 1)
	errs = append(errs, err)
	_, err = l.read(ctx, "up")
	errs = append(errs, err)
	_, _, err = l.queued(ctx)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the stack does not run as it should; start it with `make up`:\n%w", err)
	}
	return nil
}
