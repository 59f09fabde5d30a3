package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"throughline/internal/replay"
	"throughline/internal/stack"
)

func newReplayCmd() *cobra.Command {
	var options replay.Options
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Return dead letters to audit-mq's queue",
		Long: `Lists the dead letters of user.events.audit.dead that the flags choose, with message
id, trace id and reason, and with --apply returns them to user.events.audit, where
each has its six attempts again. First mend what their reason names. A message is
stored once, however often it comes.`,
		Example: `  throughline replay --reason 'CHECK constraint'
  throughline replay --reason 'CHECK constraint' --count 1 --apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Count < 0 {
				return fmt.Errorf("--count %d: give how many at the most, or 0 for all", options.Count)
			}
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			options.RabbitMQURL = s.Endpoints().RabbitMQ
			report, err := replay.Run(cmd.Context(), options)
			if err != nil && len(report.Letters) == 0 {
				return err
			}
			if printed := report.Print(cmd.OutOrStdout()); err == nil {
				err = printed
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&options.Count, "count", 0, "at most so many, the oldest first; 0 is all")
	flags.StringVar(&options.Reason, "reason", "", "those whose reason has this `text` in it")
	flags.StringVar(&options.TraceID, "trace", "", "those of the trace with this `id`")
	flags.BoolVar(&options.Apply, "apply", false, "move them; without it they are only listed")
	return cmd
}
