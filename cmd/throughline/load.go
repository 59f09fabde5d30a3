package main

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"throughline/internal/load"
)

func newLoadCmd() *cobra.Command {
	var options load.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Drive logins at a steady rate and report what came of them",
		Long: `Drives logins of the demo users at a steady rate, then waits until their events
are stored, and reports rate, success, latencies and the events stored.

With --json the report is one object, whose names carry the units:
latencyMilliseconds.p50/.p90/.p95/.p99/.max, successRatio (0 to 1),
statusCodes (by HTTP status; "0" counts requests without an answer),
events.storedEvents (rows that the demo users gained in the audit trail) and
events.checkedStoredOnce of events.checkedByTraceId (a sample looked up one by
one).

The exit status is 1 when an acknowledged login is not stored.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stack, err := target()
			if err != nil {
				return err
			}
			options.LoginURL = cmp.Or(options.LoginURL, stack.LoginURL)
			options.AuditURL = cmp.Or(options.AuditURL, stack.AuditURL)
			options.Progress = cmd.ErrOrStderr()
			report, err := load.Run(cmd.Context(), options)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, report)
			} else {
				err = report.Print(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return report.Err()
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&options.Rate, "rate", 20, "logins per `second`")
	flags.DurationVar(&options.Duration, "duration", 10*time.Second, "how long to drive, for example 30s or 5m")
	flags.StringVar(&options.LoginURL, "url", "", "address of login-api (default that of the stack)")
	flags.StringVar(&options.AuditURL, "audit-url", "", "address of audit-mq (default that of the stack)")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func printJSON(cmd *cobra.Command, value any) error {
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
