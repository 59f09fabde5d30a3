package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"throughline/internal/backend"
	"throughline/internal/score"
	"throughline/internal/terminal"
)

func newScoreCmd() *cobra.Command {
	var choice traceChoice
	var threshold float64
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Score the instrumentation of services by the public rules",
		Long: `Computes the instrumentation score, 0 to 100, of each service in the latest traces of a
window: the share of the rules of github.com/instrumentation-score/spec that hold, by
their weights. A rule that does not hold is shown with what breaks it and, of a span or a log
line, its trace. Rules that the stores cannot answer are listed with the reason.

Beside the score, and not part of it, stand the attributes that the semantic conventions
do not know, no longer use, or have with another type; and a service's own.

With --json the result is {"traces", "services": [{"name", "score", "category", "spans",
"traces", "rules": [{"rule", "impact", "title", "passed", "example", "traceId"}],
"attributes": [{"key", "verdict", "example", "traceId"}], "custom"}], "notComputed":
{rule: reason}, "conventions": version}. The exit status is 1 when a score is below
--threshold, and when there are no traces.`,
		Example: `  throughline score --last 1h
  throughline score --service orders --threshold 90`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if threshold < 0 || threshold > 100 {
				return fmt.Errorf("--threshold %g: give 0 to 100", threshold)
			}
			stack, leave, err := choice.target(cmd.Context())
			if err != nil {
				return err
			}
			defer leave()
			report, err := score.Scorer{
				Stores:     choice.stores(stack),
				Prometheus: backend.NewPrometheus(stack.PrometheusURL),
				Loki:       backend.NewLoki(stack.LokiURL),
			}.Report(cmd.Context(), score.Query{Service: choice.service, Last: choice.last, Limit: choice.limit})
			if err != nil {
				return err
			}
			services := report.Services
			if len(services) == 0 {
				return fmt.Errorf("no traces of %s in the last %s: let it do something, or give a longer --last", cmp.Or(choice.service, "any service"), choice.last)
			}
			if choice.asJSON {
				err = printJSON(cmd, report)
			} else {
				err = printScores(cmd.OutOrStdout(), stack.ConsoleURL, report)
			}
			if err != nil {
				return err
			}
			var below []string
			for _, s := range services {
				if s.Score < threshold {
					below = append(below, fmt.Sprintf("%s (%.0f)", cmp.Or(s.Name, "a service without a name"), s.Score))
				}
			}
			if len(below) > 0 {
				return fmt.Errorf("below %g: %s", threshold, strings.Join(below, ", "))
			}
			return nil
		},
	}
	choice.addTo(cmd)
	cmd.Flags().Float64Var(&threshold, "threshold", 0, "the least score of each service, 0 to 100")
	return cmd
}

func printScores(w io.Writer, console string, report score.Report) error {
	out := &lines{w: w}
	bad := terminal.Color(w, color.FgRed).Sprint("✗")
	for _, s := range report.Services {
		passed := len(slices.DeleteFunc(slices.Clone(s.Rules), func(r score.Result) bool { return !r.Passed }))
		out.print("%3.0f  %-17s  %s: %d of %d rules, %d spans of %d traces", s.Score, s.Category, cmp.Or(s.Name, "(no service.name)"), passed, len(s.Rules), s.Spans, s.Traces)
		for _, r := range s.Rules {
			if r.Passed {
				continue
			}
			out.print("     %s %s, %s: %s", bad, r.Rule, r.Impact, r.Title)
			out.offence(r.Example, console, r.TraceID)
		}
		for _, a := range s.Attributes {
			out.print("     · %s: %s", a.Key, a.Verdict)
			out.offence(a.Example, console, a.TraceID)
		}
		if len(s.Custom) > 0 {
			out.print("     its own attributes: %s", strings.Join(s.Custom, ", "))
		}
	}
	out.print("attributes compared with the semantic conventions %s", report.Conventions)
	for _, rule := range slices.Sorted(maps.Keys(report.NotComputed)) {
		out.print("not computed: %s, because %s", rule, report.NotComputed[rule])
	}
	return out.err
}

// lines are written until one cannot be.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) print(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}

func (l *lines) offence(example, console, trace string) {
	l.print("       %s", example)
	if trace != "" {
		l.print("       %s/trace/%s", console, trace)
	}
}
