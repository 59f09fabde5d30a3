package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"throughline/internal/evaluate"
	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
	"throughline/internal/terminal"
)

func newEvaluateCmd() *cobra.Command {
	var options evaluate.Options
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Measure the running stack, break it part by part, and write a report",
		Long: `Measures on the running stack what a team would want to know before it adopts it:
correctness under load, freshness, cost, query latency, capacity, the collector's
efficiency, tail sampling, and what each of many faults loses and for how long.

It kills, stops and restarts the parts of the stack and brings them back: run it
on a stack that nobody else needs. short takes about 5 minutes on 2 cores, full
about 30. Interrupted, it goes on where it stopped when it is run again.

The report is index.html, summary.md and results.json, whose schema is
docs/evaluate/results.schema.json. The exit status is 1 when an objective is
missed or was not measured.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Target != "native" && options.Target != "compose" {
				return fmt.Errorf("--target %q: give native or compose", options.Target)
			}
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			options.Progress = cmd.OutOrStdout()
			results, err := evaluate.Run(cmd.Context(), s, options)
			if err != nil {
				return err
			}
			missed := printObjectives(cmd.OutOrStdout(), results.Objectives)
			fmt.Fprintf(cmd.OutOrStdout(), "\nthe report is %s\n", filepath.Join(options.Out, "index.html"))
			if missed > 0 {
				return fmt.Errorf("%d of %d objectives are missed or not measured", missed, len(results.Objectives))
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Out, "out", "report", "`directory` of the report")
	flags.StringVar(&options.Duration, "duration", "short", "how thorough: short or full")
	flags.StringVar(&options.Target, "target", "native", "how the stack runs: native or compose")
	return cmd
}

func printObjectives(out io.Writer, objectives []result.Objective) (missed int) {
	fmt.Fprintln(out)
	for _, o := range objectives {
		mark := terminal.Color(out, color.FgGreen).Sprint("✓")
		if !o.OK {
			missed++
			mark = terminal.Color(out, color.FgRed).Sprint("✗")
		}
		value, bound := "not measured", "at most"
		if o.Value != nil {
			value = strconv.FormatFloat(*o.Value, 'g', 4, 64)
		}
		if o.AtLeast {
			bound = "at least"
		}
		fmt.Fprintf(out, "%s %s: %s (%s %g %s)\n", mark, o.Name, value, bound, o.Target, o.Unit)
	}
	return missed
}
