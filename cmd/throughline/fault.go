package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"throughline/internal/fault"
	"throughline/internal/stack"
)

func newFaultCmd() *cobra.Command {
	var options fault.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fault [name]",
		Short: "Bring a fault about for a while, with marks on the dashboards",
		Long: `Brings a fault about on the running native stack, drives logins meanwhile, and puts
everything back when the duration is over or when it is interrupted (Ctrl-C). Begin
and end are marked on the panels of all dashboards that have a time axis. Without a
name it lists the faults.

Until it ends, up and down refuse to touch the stack. After a kill -9 of this
command, "throughline up" puts back what it left.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				all := fault.All(s)
				if asJSON {
					return printJSON(cmd, all)
				}
				for _, f := range all {
					fmt.Fprintf(cmd.OutOrStdout(), "%-20s %s\n%-20s → %s\n", f.Name, f.Does, "", f.Look)
				}
				return nil
			}
			f, err := fault.Find(s, args[0])
			if err != nil {
				return err
			}
			options.Progress = cmd.ErrOrStderr()
			return f.Run(cmd.Context(), s, options)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&options.Duration, "duration", time.Minute, "how long, for example 30s or 5m")
	flags.IntVar(&options.Rate, "rate", 20, "logins per `second` meanwhile")
	flags.BoolVar(&asJSON, "json", false, "print the list as JSON")
	return cmd
}
