// Package fault brings a fault about on the running stack, drives logins meanwhile,
// puts everything back, and marks begin and end on the dashboards.
package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"throughline/internal/load"
	"throughline/internal/stack"
)

// Stack is what a fault needs of the running stack, which is a [stack.Stack].
type Stack interface {
	OwnParts() []string
	Endpoints() stack.Endpoints
	Usage(part string) (stack.Usage, error)
	Lock() (unlock func(), err error)
	Kill(part string) error
	Stop(ctx context.Context, part string) error
	Start(ctx context.Context, part string, env ...string) error
}

// Fault is something that goes wrong for a while.
type Fault struct {
	Name string `json:"name"`
	// Does says what it does, and Look what to look at, on which dashboard.
	Does string `json:"does"`
	Look string `json:"look"`

	scenario load.Scenario // what is driven meanwhile
	part     string        // away meanwhile; empty when none is
	kill     bool          // by SIGKILL, and not by SIGTERM
}

// All returns the faults that can be brought about: the scenarios of load that are
// one, and to kill or to stop each part.
func All(s Stack) []Fault {
	steady := load.Scenarios[0]
	var all []Fault
	for _, scenario := range load.Scenarios[1:] {
		all = append(all, Fault{Name: scenario.Name, Does: scenario.Does, Look: scenario.Look, scenario: scenario})
	}
	for _, part := range s.OwnParts() {
		all = append(all, Fault{Name: "kill-" + part, Does: part + " is killed (SIGKILL), and started again at the end.", Look: look(part), scenario: steady, part: part, kill: true})
	}
	for _, part := range s.OwnParts() {
		all = append(all, Fault{Name: "stop-" + part, Does: part + " is stopped (SIGTERM), and started again at the end.", Look: look(part), scenario: steady, part: part})
	}
	return all
}

// look says where one sees that a part is away.
func look(part string) string {
	switch part {
	case "login-api":
		return "Message flow: logins, which stop."
	case "user-rpc":
		return "Message flow: logins by result; Services: calls by status."
	case "audit-mq":
		return "Message flow: queue depth and time in queue, until the queue has drained."
	case "otel-collector":
		return "Collector: received, which has a gap; the services keep what they can meanwhile."
	case "tempo", "jaeger", "loki", "prometheus":
		return "Collector: queued and send failures of its exporter, until the queue has drained."
	}
	if strings.HasPrefix(part, "rabbitmq") {
		return "RabbitMQ: connections; Message flow: logins by result."
	}
	return "Collector: queued and send failures."
}

// Find returns the fault of that name.
func Find(s Stack, name string) (Fault, error) {
	var names []string
	for _, f := range All(s) {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Fault{}, fmt.Errorf("there is no fault %q: give one of %s", name, strings.Join(names, ", "))
}

// Options say how to bring a fault about.
type Options struct {
	Rate     int // logins per second meanwhile
	Duration time.Duration
	Progress io.Writer // for people
}

// afterwards is how long logins go on when a part is back, so that one sees that
// they work again.
const afterwards = 10 * time.Second

// Run brings the fault about and returns when the duration is over, or ctx has
// ended, and everything is as it was. It holds the stack's lock: up would mend what
// is broken on purpose.
func (f Fault) Run(ctx context.Context, s Stack, options Options) error {
	if options.Rate < 1 || options.Duration <= 0 {
		return fmt.Errorf("%d logins a second for %s are none: give a rate of at least 1 and a duration above 0", options.Rate, options.Duration)
	}
	for _, part := range []string{"login-api", "audit-mq", cmp.Or(f.part, "login-api")} {
		if _, err := s.Usage(part); err != nil {
			return fmt.Errorf("%w, so there is nothing to break: run `throughline up` first; a fault needs the native stack", err)
		}
	}
	unlock, err := s.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	marks := marks{endpoint: s.Endpoints().OTLPGRPC, fault: f.Name, complain: options.Progress}
	fmt.Fprintf(options.Progress, "%s for %s, with %d logins a second; Ctrl-C ends it early\n  %s\n  → %s\n", f.Name, options.Duration, options.Rate, f.Does, f.Look)
	marks.send(ctx, begin, f.Does)
	report, err := f.inject(ctx, s, options)
	marks.send(context.WithoutCancel(ctx), end, "")
	if err != nil {
		return err
	}
	fmt.Fprintf(options.Progress, "%s has ended, everything is as it was: %d logins, %.1f %% answered as they should be\n", f.Name, report.Requests, 100*report.SuccessRatio)
	return nil
}

func (f Fault) inject(ctx context.Context, s Stack, options Options) (load.Report, error) {
	endpoints := s.Endpoints()
	driven := load.Options{
		LoginURL: endpoints.LoginAPI, RabbitMQURL: endpoints.RabbitMQ, OTLPGRPC: endpoints.OTLPGRPC,
		Scenario: f.scenario, Rate: options.Rate, Duration: options.Duration, Progress: options.Progress,
		RestartAuditMQ: func(ctx context.Context, variables ...string) error { return s.Start(ctx, "audit-mq", variables...) },
	}
	if f.part == "" {
		return load.Inject(ctx, driven)
	}
	driven.Duration += afterwards
	var report load.Report
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		report, err = load.Inject(ctx, driven)
		return err
	})
	group.Go(func() error {
		err := f.takeAway(ctx, s)
		if err == nil {
			select {
			case <-ctx.Done():
			case <-time.After(options.Duration):
			}
		}
		if started := s.Start(context.WithoutCancel(ctx), f.part); started != nil {
			err = errors.Join(err, fmt.Errorf("%s may not run: %w; run `throughline up`", f.part, started))
		}
		return err
	})
	return report, group.Wait()
}

func (f Fault) takeAway(ctx context.Context, s Stack) error {
	if f.kill {
		return s.Kill(f.part)
	}
	return s.Stop(ctx, f.part)
}
