package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"throughline/internal/stack"
)

func newStartCmd() *cobra.Command {
	return newPartCmd("start", "Start one part, as up would", func(ctx context.Context, s *stack.Stack, part string) error {
		return s.Start(ctx, part)
	})
}

func newStopCmd() *cobra.Command {
	return newPartCmd("stop", "Stop one part; start or up starts it again", func(ctx context.Context, s *stack.Stack, part string) error {
		return s.Stop(ctx, part)
	})
}

func newPartCmd(use, short string, do func(context.Context, *stack.Stack, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use + " <part>",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			unlock, err := s.Lock()
			if err != nil {
				return err
			}
			defer unlock()
			return do(cmd.Context(), s, args[0])
		},
	}
}

// newSuperviseCmd is what the part supervisor runs.
func newSuperviseCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "supervise",
		Short:  "Start parts again that end by themselves; up runs it",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			s.Supervise(cmd.Context(), startApart)
			return nil
		},
	}
}

// startApart starts a part by a process of its own, which ends and leaves the part
// behind: a child of the supervisor would be stopped with it.
func startApart(ctx context.Context, part string) error {
	// The file of this program may have been built anew meanwhile.
	command := exec.CommandContext(ctx, "/proc/self/exe", "start", part)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	said, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}
