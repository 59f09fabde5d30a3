package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"throughline/internal/verify"
)

func newVerifyCmd() *cobra.Command {
	var options verify.Options
	var asJSON bool
	var where, flowFile, junit string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check what the stack promises, on the running stack",
		Long: `Checks on the running stack what it promises, one line for each check. With
--json the result is {"ok", "checks": [{"name", "ok", "detail", "value", "unit"}]}
on standard output, and the lines go to standard error.

With --flow it runs the flow of a file instead and compares what it leaves behind
with what the file says: spans, log lines and metrics. flows/ has examples; with
--json the result is {"ok", "flow", "traceId", "link", "findings": [{"kind",
"service", "span", "message", "stores"}]}.

With --target kubernetes it reaches the parts in the namespace throughline of kubectl's
current context through kubectl port-forward, which it starts and ends.

The exit status is 1 when a check fails, or when a flow is not as its file says.`,
		Example: `  throughline verify
  throughline verify --flow flows/orders.yaml --junit orders.xml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Logins < 1 {
				return fmt.Errorf("--logins %d: give at least 1", options.Logins)
			}
			options.Progress = cmd.OutOrStdout()
			if asJSON {
				options.Progress = cmd.ErrOrStderr()
			}
			stack, leave, err := targetOf(cmd.Context(), where)
			if err != nil {
				return err
			}
			defer leave()
			if flowFile != "" {
				return runFlow(cmd, stack, flowFile, junit, asJSON)
			}
			if junit != "" {
				return errors.New("--junit is for --flow; give both")
			}
			result := verify.Run(cmd.Context(), stack, options)
			if err := cmd.Context().Err(); err != nil {
				return fmt.Errorf("verification interrupted: %w", err)
			}
			if asJSON {
				if err := printJSON(cmd, result); err != nil {
					return err
				}
			}
			if !result.OK {
				return errors.New("verification failed: see the checks above")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&where, "target", "native", targetFlag)
	flags.IntVar(&options.Logins, "logins", 50, "how many logins to trace")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	flags.StringVar(&flowFile, "flow", "", "run the flow of this file instead")
	flags.StringVar(&junit, "junit", "", "with --flow, write the result to this file as JUnit XML")
	return cmd
}

func runFlow(cmd *cobra.Command, stack verify.Target, file, junit string, asJSON bool) error {
	result, err := stack.RunFlow(cmd.Context(), file)
	if err != nil {
		return err
	}
	if err := cmd.Context().Err(); err != nil {
		return fmt.Errorf("verification interrupted: %w", err)
	}
	out := cmd.OutOrStdout()
	if asJSON {
		out = cmd.ErrOrStderr()
		if err := printJSON(cmd, result); err != nil {
			return err
		}
	}
	if err := result.Print(out); err != nil {
		return err
	}
	if junit != "" {
		var report bytes.Buffer
		if err := result.JUnit(&report); err != nil {
			return err
		}
		if err := os.WriteFile(junit, report.Bytes(), 0o644); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	if !result.OK {
		return fmt.Errorf("%s is not as %s says", result.Flow, file)
	}
	return nil
}

// newGoZeroProbeCmd is the sub-process that verify starts of itself.
func newGoZeroProbeCmd() *cobra.Command {
	var config verify.ProbeConfig
	cmd := &cobra.Command{
		Use:    "gozero-probe",
		Short:  "Serve a go-zero REST service with nothing but a Telemetry block, until standard input ends",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return verify.RunProbe(config, os.Stdin)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Batcher, "batcher", "otlpgrpc", "go-zero's exporter: otlpgrpc, otlphttp or zipkin")
	flags.StringVar(&config.Endpoint, "endpoint", "", "the collector's address, in the form that the exporter wants")
	flags.IntVar(&config.Port, "port", 0, "port to serve on")
	return cmd
}
