package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"throughline/internal/verify"
)

func newVerifyCmd() *cobra.Command {
	var options verify.Options
	var asJSON bool
	var where string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check what the stack promises, on the running stack",
		Long: `Checks on the running stack what it promises, one line for each check. With
--json the result is {"ok", "checks": [{"name", "ok", "detail", "value", "unit"}]}
on standard output, and the lines go to standard error.

The exit status is 1 when a check fails.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Logins < 1 {
				return fmt.Errorf("--logins %d: give at least 1", options.Logins)
			}
			options.Progress = cmd.OutOrStdout()
			if asJSON {
				options.Progress = cmd.ErrOrStderr()
			}
			stack, err := targetOf(where)
			if err != nil {
				return err
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
	flags.StringVar(&where, "target", "native", "how the stack runs: native or compose")
	flags.IntVar(&options.Logins, "logins", 50, "how many logins to trace")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
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
