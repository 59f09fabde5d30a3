package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"throughline/internal/backend"
	"throughline/internal/doctor"
	"throughline/internal/terminal"
	"throughline/internal/verify"
)

func newDoctorCmd() *cobra.Command {
	var choice traceChoice
	cmd := &cobra.Command{
		Use:   "doctor [<trace id>]",
		Short: "Say why a trace is broken: one, those of a service, or those of a window",
		Long: `Looks at traces as Jaeger and Tempo hold them, one after the other, and says what
is wrong with each: an orphan span, several roots, an end at a publish, a consumer
without a producer, a context lost between two services, a link where a child is
usual, a half sampled out, a span in one store only, a span cut by limits,
attributes of old conventions, clocks that disagree; with the usual cause, and the
page that says what to do.

What began in the last ten seconds is left out of a window, as it may be under way.
With --json the result is {"traces", "symptoms": [{"kind", "traceId", "spanId",
"service", "boundary", "message", "cause", "page"}]}. The exit status is 1 when
something is found.`,
		Example: `  throughline doctor 4bf92f3577b34da6a3ce929d0e0e4736
  throughline doctor --service orders --last 15m`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			stack, leave, err := choice.target(cmd.Context())
			if err != nil {
				return err
			}
			defer leave()
			stores, ids := choice.stores(stack), args
			if len(ids) == 0 {
				if ids, err = backend.LatestTraces(cmd.Context(), stores, choice.service, choice.last, choice.limit); err != nil {
					return err
				}
			}
			symptoms, err := doctor.Doctor{Stores: stores, Prometheus: backend.NewPrometheus(stack.PrometheusURL)}.Examine(cmd.Context(), ids)
			if err != nil {
				return err
			}
			if choice.asJSON {
				err = printJSON(cmd, map[string]any{"traces": len(ids), "symptoms": symptoms})
			} else {
				err = printSymptoms(cmd.OutOrStdout(), stack, symptoms, len(ids))
			}
			if err == nil && len(symptoms) > 0 {
				err = errors.New("something is wrong with the traces: see above")
			}
			return err
		},
	}
	choice.addTo(cmd)
	return cmd
}

// traceChoice says which traces a command looks at.
type traceChoice struct {
	service, where string
	last           time.Duration
	limit          int
	asJSON         bool
}

func (c *traceChoice) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.where, "target", "native", targetFlag)
	flags.StringVar(&c.service, "service", "", "look at traces of this service")
	flags.DurationVar(&c.last, "last", 15*time.Minute, "how far back to look for traces")
	flags.IntVar(&c.limit, "limit", 50, "how many traces to look at, at most")
	flags.BoolVar(&c.asJSON, "json", false, "print the result as JSON")
}

// target returns the stack to look at until leave is called, unless there is nothing
// to look for.
func (c *traceChoice) target(ctx context.Context) (stack verify.Target, leave func(), err error) {
	if c.limit < 1 || c.last <= 0 {
		return verify.Target{}, nil, fmt.Errorf("--limit %d, --last %s: give more than nothing", c.limit, c.last)
	}
	return targetOf(ctx, c.where)
}

func (*traceChoice) stores(stack verify.Target) []backend.TraceSearcher {
	return []backend.TraceSearcher{backend.NewJaeger(stack.JaegerURL), backend.NewTempo(stack.TempoURL)}
}

// printSymptoms writes each kind once for each boundary, with its first trace.
func printSymptoms(w io.Writer, stack verify.Target, symptoms []doctor.Symptom, traces int) error {
	like := func(a, b doctor.Symptom) bool {
		return a.Kind == b.Kind && a.Service == b.Service && a.Boundary == b.Boundary
	}
	for i, s := range symptoms {
		if slices.IndexFunc(symptoms, func(o doctor.Symptom) bool { return like(s, o) }) < i {
			continue
		}
		times := ""
		if n := len(slices.DeleteFunc(slices.Clone(symptoms), func(o doctor.Symptom) bool { return !like(s, o) })); n > 1 {
			times = fmt.Sprintf(", %d times, for example", n)
		}
		at := s.Service
		if s.Boundary != "" {
			at = s.Boundary
		}
		if _, err := fmt.Fprintf(w, "%s %s at %s%s\n  %s\n  usual cause: %s\n  see %s and %s/trace/%s\n",
			terminal.Color(w, color.FgRed).Sprint("✗"), s.Kind, at, times, s.Message, s.Cause, s.Page, stack.ConsoleURL, s.TraceID); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "looked at %d traces; found %d symptoms\n", traces, len(symptoms))
	return err
}
