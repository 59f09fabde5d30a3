package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/verify"
)

// probeArgument makes this test binary the go-zero service that verify starts.
const probeArgument = "gozero-probe"

func probe(args []string) {
	var config verify.ProbeConfig
	flags := flag.NewFlagSet(probeArgument, flag.ExitOnError)
	flags.StringVar(&config.Batcher, "batcher", "", "")
	flags.StringVar(&config.Endpoint, "endpoint", "", "")
	flags.IntVar(&config.Port, "port", 0, "")
	_ = flags.Parse(args)
	if err := verify.RunProbe(config, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestVerifyPasses(t *testing.T) {
	result := verify.Run(t.Context(), target, verify.Options{Progress: t.Output()})
	for _, check := range result.Checks {
		assert.True(t, check.OK, "%s: %s", check.Name, check.Detail)
	}
	assert.True(t, result.OK)
}

// Breaks the propagation for real: a consumer that reads no context.
func TestVerifyNamesTheSpanThatLostItsParent(t *testing.T) {
	require.NoError(t, running.Stop(t.Context(), "audit-mq"))
	require.NoError(t, running.Start(t.Context(), "audit-mq", "OTEL_PROPAGATORS=none"))
	t.Cleanup(func() { restart(t, "audit-mq") })

	result := verify.Run(t.Context(), target, verify.Options{Logins: 2, TraceTimeout: 5 * time.Second, Progress: t.Output()})

	require.False(t, result.OK)
	var details strings.Builder
	for _, check := range result.Checks {
		if !check.OK {
			details.WriteString(check.Detail + "\n")
		}
	}
	assert.Contains(t, details.String(), "process user.events:user.logged_in:user.events.audit")
	assert.Contains(t, details.String(), "send user.events:user.logged_in")
}
