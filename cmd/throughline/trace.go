package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"throughline/internal/backend"
	"throughline/internal/tree"
)

func newTraceCmd() *cobra.Command {
	var from, url string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace <id>",
		Short: "Print a trace as a tree, from Jaeger or from Tempo",
		Example: `  throughline trace 4bf92f3577b34da6a3ce929d0e0e4736
  throughline trace 4bf92f3577b34da6a3ce929d0e0e4736 --from tempo --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("give the id of one trace: make trace ID=<trace id>; a login answers with it in X-Trace-Id")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := newStore(from, url)
			if err != nil {
				return err
			}
			trace, err := store.Trace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, trace)
			}
			return tree.Print(cmd.OutOrStdout(), trace)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "jaeger", "the store to read: jaeger or tempo")
	flags.StringVar(&url, "url", "", "address of the store (default that of the stack)")
	flags.BoolVar(&asJSON, "json", false, "print the trace as JSON, with all attributes")
	return cmd
}

func newStore(name, url string) (backend.TraceStore, error) {
	stack, err := target()
	if err != nil {
		return nil, err
	}
	switch name {
	case "jaeger":
		return backend.NewJaeger(cmp.Or(url, stack.JaegerURL)), nil
	case "tempo":
		return backend.NewTempo(cmp.Or(url, stack.TempoURL)), nil
	}
	return nil, fmt.Errorf("--from %q: give jaeger or tempo", name)
}
