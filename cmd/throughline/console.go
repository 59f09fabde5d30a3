package main

import (
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"throughline/console"
	"throughline/internal/stack"
)

// newConsoleCmd is what up runs as the part console.
func newConsoleCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "console",
		Short:  "Serve the page with the dashboards, the traces and their logs, until interrupted",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			e := s.Endpoints()
			host, _, err := net.SplitHostPort(strings.TrimPrefix(e.Console, "http://"))
			if err != nil {
				return err
			}
			version := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
			}
			handler, err := console.Handler(console.Config{
				Version:    version,
				Prometheus: e.Prometheus,
				Loki:       e.Loki,
				Tempo:      e.Tempo,
				Jaeger:     e.Jaeger,
				Links: map[string]string{
					"grafana": e.Grafana, "jaeger": e.Jaeger, "tempo": e.Tempo, "loki": e.Loki, "prometheus": e.Prometheus, "rabbitmq": e.RabbitMQManagement,
				},
				Services:     map[string]string{"login-api": e.LoginAPI, "audit-mq": e.AuditMQ},
				AllowedHosts: append(strings.Fields(strings.ReplaceAll(os.Getenv("CONSOLE_ALLOWED_HOSTS"), ",", " ")), host),
			})
			if err != nil {
				return err
			}
			return console.Serve(cmd.Context(), s.ConsoleAddress(), handler)
		},
	}
}
