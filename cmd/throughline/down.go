package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"throughline/internal/evaluate"
	"throughline/internal/stack"
)

func newDownCmd() *cobra.Command {
	var options stack.DownOptions
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop every part",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			console := stack.NewConsole(cmd.OutOrStdout())
			if err := s.Down(cmd.Context(), console, options); err != nil {
				return err
			}
			if err := evaluate.Clear(s); err != nil {
				return err
			}
			if options.Volumes {
				console.Note(fmt.Sprintf("data and logs in %s are gone", s.RunDir()))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&options.Volumes, "volumes", false, "forget the data and the logs, too")
	return cmd
}
