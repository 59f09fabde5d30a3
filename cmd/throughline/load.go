package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"throughline/internal/load"
	"throughline/internal/stack"
)

func newLoadCmd() *cobra.Command {
	options := load.Options{Scenario: load.Scenarios[0]}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Drive logins and report what came of them",
		Long: `Drives logins of the demo users, then waits until their events are stored, and
reports rate, success, latencies and the events stored.

The scenarios, and on which dashboard (→) to look; --duration 5m leaves the time:

` + describe(load.Scenarios) + `
slow-consumer and failing-consumer restart audit-mq, which must have been started
by "throughline up" from here. They bring it back as it was, also when they are
interrupted; after a kill -9, "throughline up" does. Until they end, up and down
refuse to touch the stack. During the others, up mends what was killed.

With --json the report is one object, whose names carry the units:
latencyMilliseconds.p50/.p90/.p95/.p99/.max, successRatio (0 to 1, of the requests
that were answered as the scenario wants), statusCodes (by HTTP status; "0" counts
requests without an answer), events.storedEvents (rows that the demo users gained
in the audit trail), events.deadLetteredMessages and events.poisonMessages (left
out when 0) and events.checkedStoredOnce of events.checkedByTraceId (a sample
looked up one by one).

The exit status is 1 when an acknowledged login is not stored (with
failing-consumer: neither stored nor dead-lettered), and when audit-mq could not be
brought back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			if _, err := s.Usage("audit-mq"); err == nil && options.LoginURL+options.AuditURL == "" {
				options.RestartAuditMQ = func(ctx context.Context, variables ...string) error {
					return s.Start(ctx, "audit-mq", variables...)
				}
				options.Lock = s.Lock
			}
			endpoints := s.Endpoints()
			options.LoginURL = cmp.Or(options.LoginURL, endpoints.LoginAPI)
			options.AuditURL = cmp.Or(options.AuditURL, endpoints.AuditMQ)
			options.RabbitMQURL, options.OTLPGRPC = endpoints.RabbitMQ, endpoints.OTLPGRPC
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
	flags.Func("scenario", "what to drive: one of the `name`s above (default steady)", func(name string) (err error) {
		options.Scenario, err = load.Find(name)
		return err
	})
	flags.IntVar(&options.Rate, "rate", 20, "logins per `second`")
	flags.DurationVar(&options.Duration, "duration", 10*time.Second, "how long to drive, for example 30s or 5m")
	flags.StringVar(&options.LoginURL, "url", "", "address of login-api (default that of the stack)")
	flags.StringVar(&options.AuditURL, "audit-url", "", "address of audit-mq (default that of the stack)")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// describe lists what each scenario does and what to look at.
func describe(scenarios []load.Scenario) string {
	var text strings.Builder
	for _, s := range scenarios {
		fmt.Fprintf(&text, "  %-17s %s\n  %-17s → %s\n", s.Name, s.Does, "", s.Look)
	}
	return text.String()
}

func printJSON(cmd *cobra.Command, value any) error {
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
