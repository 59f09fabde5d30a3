package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"throughline/internal/stack"
	"throughline/internal/terminal"
	"throughline/internal/verify"
)

func newUpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Build what is missing, start every part and show a first trace",
		Long: `Builds what is missing, starts every part as soon as it is built, sends logins and
prints the trace of one of them.

What runs already is kept, or restarted if its binary or its configuration has
changed. Interrupted, up goes on where it stopped when it is run again. The parts
outlive the command: stop them with throughline down.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			console := stack.NewConsole(cmd.OutOrStdout())
			target := verify.TargetOf(s)
			options := stack.UpOptions{
				Traceable: func(ctx context.Context) {
					console.Exclusively(func(out io.Writer) {
						if err := verify.ShowLogin(ctx, target, out, false); err != nil {
							fmt.Fprintln(out, "no trace yet:", err)
						}
					})
				},
			}
			if s.Sampling() {
				options.Traceable = nil
			}
			if err := s.Up(cmd.Context(), console, options); err != nil {
				return err
			}
			if s.Sampling() { // the next login is most likely one that is not kept
				fmt.Fprintln(cmd.OutOrStdout(), "\nTAIL_SAMPLING=on: kept are traces with an error, slow and dead-lettered ones, and a share of the rest")
			} else if err := verify.ShowLogin(cmd.Context(), target, cmd.OutOrStdout(), true); err != nil {
				return err
			}
			current, err := s.PageIsCurrent()
			printAddresses(cmd.OutOrStdout(), s.Endpoints(), current && runs(s.Status(cmd.Context()), "console"))
			return err
		},
	}
}

func runs(parts []stack.PartStatus, name string) bool {
	return slices.ContainsFunc(parts, func(p stack.PartStatus) bool { return p.Name == name && p.State == stack.Running })
}

func printAddresses(out io.Writer, e stack.Endpoints, console bool) {
	if console {
		fmt.Fprintf(out, "\n  open       %s   the dashboards, any trace with its logs, search, the flow\n",
			terminal.Color(out, color.Bold).Sprint(e.Console))
	}
	fmt.Fprintf(out, "\n  log in     curl -d '{\"mobile\":\"13800000001\",\"password\":\"demo-password\"}' -H 'Content-Type: application/json' %s/v1/login\n", e.LoginAPI)
	fmt.Fprintf(out, "  logins     %s/v1/logins\n", e.AuditMQ)
	if e.Grafana != "" {
		fmt.Fprintf(out, "  Grafana    %s\n", e.Grafana)
	}
	fmt.Fprintf(out, "  Jaeger     %s\n", e.Jaeger)
	fmt.Fprintf(out, "  Tempo      %s\n", e.Tempo)
	fmt.Fprintf(out, "  Loki       %s\n", e.Loki)
	fmt.Fprintf(out, "  Prometheus %s\n", e.Prometheus)
	if e.RabbitMQManagement != "" {
		fmt.Fprintf(out, "  RabbitMQ   %s   log in as monitoring, with RABBITMQ_MANAGEMENT_PASSWORD or else monitoring\n", e.RabbitMQManagement)
	}
}
