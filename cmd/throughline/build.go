package main

import (
	"os"

	"github.com/spf13/cobra"

	"throughline/internal/stack"
)

func newBuildCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build every part, and install RabbitMQ where it is missing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			return s.Build(cmd.Context(), stack.NewConsole(cmd.OutOrStdout()))
		},
	}
}
