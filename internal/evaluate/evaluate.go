package evaluate

import (
	"context"
	"encoding/json"
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
	"throughline/internal/demo"
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
	// Duration is short (within 5 minutes on 2 cores) or full (within 30).
	Duration string
	// Target is native or compose.
	Target string
	// Progress gets lines of text as the evaluation goes on.
	Progress io.Writer
}

// step is one measurement.
type step struct {
	name  string
	usual time.Duration
	run   func(ctx context.Context, r *result.Results) (summary string, err error)
}

// Run evaluates the stack, which must run, and writes the report after each step.
// An evaluation that was interrupted goes on where it stopped when it is run again
// with the same options. A step that cannot be done is in the results with the
// reason; an error means that there is no evaluation.
func Run(ctx context.Context, s *stack.Stack, options Options) (*result.Results, error) {
	plan, err := planOf(options.Duration)
	if err != nil {
		return nil, err
	}
	var control parts = native{s}
	if options.Target == "compose" {
		control = compose{s.Root()}
	}
	l := newLab(verify.TargetOf(s), control, plan, options.Progress)
	l.scratch, l.jaegerOTLP = scratchOf(s), s.JaegerOTLP()
	if err := l.reachable(ctx); err != nil {
		return nil, err
	}
	state, err := openState(options)
	if err != nil {
		return nil, err
	}
	if len(state.Done) == 0 {
		state.Results.Machine = machine(ctx, s)
		state.Results.Revision = revision(s.Root())
		if plan.outage == 0 {
			state.Results.NotRun = []result.NotRun{{Step: "faults: outage of each part", Reason: "one after the other only in the full evaluation; here all stores at once"}}
		}
	}

	steps := l.steps()
	var left time.Duration
	for _, step := range steps {
		if !slices.Contains(state.Done, step.name) {
			left += step.usual
		}
	}
	fmt.Fprintf(l.progress, "%s evaluation in %d steps, about %s; interrupted, it goes on when it is run again\n",
		options.Duration, len(steps), left.Round(time.Second))
	if len(state.Done) > 0 {
		fmt.Fprintf(l.progress, "going on with that of %s: %d steps are done\n", state.Results.Started.Local().Format(time.TimeOnly), len(state.Done))
	}
	for i, step := range steps {
		if slices.Contains(state.Done, step.name) {
			continue
		}
		fmt.Fprintf(l.progress, "%2d of %d  %s; %s left\n", i+1, len(steps), step.name, left.Round(time.Second))
		began := time.Now()
		summary, err := step.run(ctx, &state.Results)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("interrupted in %q; run it again to go on: %w", step.name, ctx.Err())
		}
		mark := terminal.Color(l.progress, color.FgGreen).Sprint("✓")
		if err != nil {
			mark, summary = terminal.Color(l.progress, color.FgRed).Sprint("✗"), "not measured: "+err.Error()
			state.Results.NotRun = append(state.Results.NotRun, result.NotRun{Step: step.name, Reason: err.Error()})
		}
		fmt.Fprintf(l.progress, "       %s %s  (%.1f s)\n", mark, summary, time.Since(began).Seconds())
		left -= step.usual
		state.Done = append(state.Done, step.name)
		state.Results.Ended = time.Now()
		state.Results.Objectives = objectives(&state.Results, plan)
		if err := state.save(); err != nil {
			return nil, err
		}
		if err := report.Write(options.Out, state.Results); err != nil {
			return nil, err
		}
	}
	return &state.Results, state.close()
}

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

// steps are all measurements of the plan, in order.
func (l *lab) steps() []step {
	p := l.plan
	comparing := time.Duration(float64(p.steadyRate)*p.steady.Seconds()) * 45 * time.Millisecond
	all := []step{
		{"steady load: correctness, freshness, cost", p.idle + p.steady + comparing + 10*time.Second, l.stepSteady},
		{"collector efficiency", 40 * time.Second, func(ctx context.Context, r *result.Results) (string, error) {
			found, err := l.collector(ctx)
			if err != nil {
				return "", err
			}
			r.Collector = found
			return fmt.Sprintf("%.2f of its spans per CPU second", found.Ratio), nil
		}},
		{"capacity", time.Duration(len(p.capacityRates)) * (p.capacityStep + 4*time.Second), func(ctx context.Context, r *result.Results) (string, error) {
			found, err := l.capacity(ctx)
			if err != nil {
				return "", err
			}
			r.Capacity = found
			return fmt.Sprintf("%.0f logins a second sustained; %s", found.Sustained, found.Broke), nil
		}},
		{"tail sampling in two tiers", 40 * time.Second, func(ctx context.Context, r *result.Results) (summary string, err error) {
			r.Sampling, err = l.sampling(ctx)
			return "measured", err
		}},
	}
	for _, f := range l.faults() {
		all = append(all, step{f.name, p.faultBefore + f.duration + p.faultAfter + 6*time.Second, func(ctx context.Context, r *result.Results) (string, error) {
			found, err := l.inject(ctx, f)
			if err != nil {
				return "", err
			}
			r.Faults = append(r.Faults, *found)
			return fmt.Sprintf("%d of %d logins failed; messages lost %d, doubled %d; spans and lines lost %d; recovered %.1f s, data %.1f s after its end",
				found.Failed, found.Requests, found.MessagesLost, found.MessagesDoubled, missing(found), found.ServiceRecovery, found.DataRecovery), nil
		}})
	}
	// Last, for it fills the stores: Tempo then takes longer to find a trace by its id.
	return append(all, step{"queries", p.querySettling + 25*time.Second, func(ctx context.Context, r *result.Results) (summary string, err error) {
		r.Queries, err = l.queries(ctx)
		return "measured", err
	}})
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
	_, err = demo.LogIn(ctx, l.target.LoginURL, demo.Users[0])
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the stack does not run as it should; start it with `make up`:\n%w", err)
	}
	return nil
}

// state is an evaluation that may not be finished.
type state struct {
	Done    []string       `json:"done"` // names of steps
	Results result.Results `json:"results"`

	path string
}

func openState(options Options) (*state, error) {
	if err := os.MkdirAll(options.Out, 0o755); err != nil {
		return nil, fmt.Errorf("--out %s: %w; give a directory that can be written", options.Out, err)
	}
	fresh := result.Results{Schema: result.Schema, Duration: options.Duration, Target: options.Target, Started: time.Now()}
	s := &state{path: filepath.Join(options.Out, "unfinished.json")}
	data, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("go on with %s: %w; remove it to begin anew", s.path, err)
	}
	if s.Results.Duration != options.Duration || s.Results.Target != options.Target || s.Results.Schema != result.Schema {
		s.Done, s.Results = nil, fresh
	}
	return s, nil
}

func (s *state) save() error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}

func (s *state) close() error { return os.Remove(s.path) }
