package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"throughline/internal/stack"
)

func newStatusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs, where, and how much memory it takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := stack.New("", os.Getenv)
			if err != nil {
				return err
			}
			return printStatus(cmd.OutOrStdout(), s.Status(cmd.Context()))
		},
	}
}

func printStatus(out io.Writer, parts []stack.PartStatus) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tSTATE\tPID\tADDRESS\tVERSION\tMEMORY\tUPTIME")
	var total uint64
	for _, p := range parts {
		pid, memory, uptime := "-", "-", "-"
		if p.PID != 0 {
			pid, memory, uptime = fmt.Sprint(p.PID), megabytes(p.Memory), p.Uptime.String()
		}
		version := p.Version
		if version == "" {
			version = "-"
		}
		total += p.Memory
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.State, pid, p.Address, version, memory, uptime)
	}
	if total > 0 {
		fmt.Fprintf(table, "\t\t\t\t\t%s\t\n", megabytes(total))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, p := range parts {
		if p.Reason != "" {
			if _, err := fmt.Fprintf(out, "%s: %s\n", p.Name, p.Reason); err != nil {
				return err
			}
		}
	}
	return nil
}

func megabytes(bytes uint64) string { return fmt.Sprintf("%d MB", bytes/1e6) }
