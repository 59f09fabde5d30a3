package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"throughline/internal/evaluate"
	"throughline/internal/evaluate/report"
	"throughline/internal/evaluate/result"
	"throughline/internal/terminal"
)

func newEvaluateCmd() *cobra.Command {
	var options evaluate.Options
	var prices, retention string
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Measure the running stack, break it part by part, and write a report",
		Long: `Measures on the running stack what a team would want to know before it adopts it:
correctness under load, freshness, cost, query latency, capacity, the collector's
efficiency, tail sampling, and what each of many faults loses and for how long.

It kills, stops and restarts the parts of the stack and brings them back: run it
on a stack that nobody else needs. Then it stops the stack for a while and measures
trace stores, each alone: what it costs to fill them, how they grow and answer, how
fresh they are and what a kill loses. short takes about 10 minutes on 2 cores, full
about 60. Interrupted, it goes on where it stopped when it is run again.

--only stores measures the stores alone; the stack need not run. --stores adds
stores of yours to those of docs/evaluate/stores.yaml, which is an example of such
a file, and --replay fills them with traffic of yours, as the collector's file
exporter writes it. What a month costs is reckoned for --rate and --retention, with
the prices of a file like docs/evaluate/prices.yaml.

The report is index.html, summary.md and results.json, whose schema is
docs/evaluate/results.schema.json. The exit status is 1 when an objective is
missed or was not measured, a fault failed, an account does not balance, or a step
was not run although it applies; the reasons come first in the report.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stackOf(options.Target)
			if err != nil {
				return err
			}
			switch options.Only {
			case "", evaluate.OnlyStack, evaluate.OnlyStores:
			default:
				return fmt.Errorf("--only %q: give stack or stores", options.Only)
			}
			if options.Only == evaluate.OnlyStores && options.Target != "native" {
				return fmt.Errorf("--only stores --target %s: trace stores are measured natively, each alone; leave --target out", options.Target)
			}
			demand := &options.Stores.Demand
			if demand.Retention, err = days(retention); err != nil || demand.Rate <= 0 {
				return fmt.Errorf("--rate %g --retention %s: give spans a second, and a time such as 72h or 30d", demand.Rate, retention)
			}
			if options.Stores.Spans != 0 && options.Stores.Spans < leastSpans {
				return fmt.Errorf("--spans %d: give at least %d", options.Stores.Spans, leastSpans)
			}
			if demand.Prices, err = evaluate.LoadPrices(cmp.Or(prices, filepath.Join(s.Root(), "docs", "evaluate", "prices.yaml"))); err != nil {
				return err
			}
			options.Progress = cmd.OutOrStdout()
			results, err := evaluate.Run(cmd.Context(), s, options)
			if err != nil {
				return err
			}
			failures := printOutcome(cmd.OutOrStdout(), *results)
			fmt.Fprintf(cmd.OutOrStdout(), "\nthe report is %s\n", filepath.Join(options.Out, "index.html"))
			if failures > 0 {
				return fmt.Errorf("the evaluation failed (%d reasons, above the objectives)", failures)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Out, "out", "report", "`directory` of the report")
	flags.StringVar(&options.Duration, "duration", "short", "how thorough: short or full")
	flags.StringVar(&options.Target, "target", "native", "how the stack runs: native or compose")
	flags.StringVar(&options.Only, "only", "", "`part` to evaluate: stack or stores (default both)")
	flags.StringVar(&options.Stores.List, "stores", "", "`file` with trace stores of yours")
	flags.StringVar(&options.Stores.Replay, "replay", "", "`file` of OTLP JSON lines to fill the stores with")
	flags.Func("spans", "`number` of spans at the largest size, for example 1M (default 100k in short, 1M in full)", func(text string) (err error) {
		options.Stores.Spans, err = spansOf(text)
		return err
	})
	flags.Float64Var(&options.Stores.Demand.Rate, "rate", 2000, "spans a second to reckon a month's cost for")
	flags.StringVar(&retention, "retention", "72h", "`time` for which they are kept, for that cost")
	flags.StringVar(&prices, "prices", "", "`file` with the prices for that cost")
	return cmd
}

// leastSpans is how many tell something of a store.
const leastSpans = 1000

// spansOf reads a number such as 500k or 10M.
func spansOf(text string) (int, error) {
	digits, factor := strings.TrimRight(text, "kM"), 1.0
	switch strings.TrimPrefix(text, digits) {
	case "":
	case "k":
		factor = 1e3
	case "M":
		factor = 1e6
	default:
		return 0, fmt.Errorf("give a number such as 500k or 10M")
	}
	number, err := strconv.ParseFloat(digits, 64)
	if err != nil || number <= 0 {
		return 0, fmt.Errorf("give a number such as 500k or 10M")
	}
	return int(number * factor), nil
}

// days reads a time such as 72h or 30d, and returns seconds.
func days(text string) (float64, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n <= 0 {
			return 0, fmt.Errorf("%q is no number of days", number)
		}
		return n * 86400, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%s is not above 0", text)
	}
	return d.Seconds(), err
}

// printOutcome prints why the evaluation failed, then the objectives. It returns
// for how many reasons it failed.
func printOutcome(out io.Writer, r result.Results) int {
	good, bad := terminal.Color(out, color.FgGreen).Sprint, terminal.Color(out, color.FgRed).Sprint
	failures := r.Failures()
	fmt.Fprintln(out)
	if len(failures) == 0 {
		fmt.Fprintln(out, good("Passed."))
	} else {
		fmt.Fprintln(out, bad("Failed:"))
	}
	for _, failure := range failures {
		fmt.Fprintln(out, bad("✗"), failure)
	}
	fmt.Fprintln(out)
	for _, o := range r.Objectives {
		mark := bad("✗")
		switch o.Verdict() {
		case "met":
			mark = good("✓")
		case "not applicable":
			mark = "-"
		}
		fmt.Fprintf(out, "%s %s: %s (%s)\n", mark, o.Name, report.Measured(o), report.Target(o))
	}
	return len(failures)
}
