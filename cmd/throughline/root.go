package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// run executes one command line and returns the exit status.
func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	understood := false
	root := newRootCmd()
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, "throughline:", err)
		return exitInterrupted
	case !understood:
		fmt.Fprintf(errOut, "throughline: %v; see throughline --help\n", err)
		return exitUsage
	}
	fmt.Fprintln(errOut, "throughline:", err)
	return exitFailure
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "throughline",
		Short: "One unbroken trace through go-zero services and RabbitMQ",
		Long: `Throughline runs an observability stack around the OpenTelemetry Collector,
drives logins through it and checks that each is one unbroken trace.

Ports, directories and given binaries are set by environment variables; README.md
lists them. Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newBuildCmd(), newUpCmd(), newDownCmd(), newStatusCmd(), newStartCmd(), newStopCmd(), newSuperviseCmd(),
		newLoadCmd(), newFaultCmd(), newReplayCmd(), newTraceCmd(), newVerifyCmd(), newDoctorCmd(), newScoreCmd(), newEvaluateCmd(), newGoZeroProbeCmd())
	return root
}
