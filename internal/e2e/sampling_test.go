package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/backend"
	"throughline/internal/otlpload"
	"throughline/internal/stack"
)

// buildSampling builds the collector that serves both tiers, where it is missing, and
// returns the stack that has it.
func buildSampling(t *testing.T) *stack.Stack {
	t.Helper()
	s := sharedStackWith(t, map[string]string{"TAIL_SAMPLING": "on"})
	require.NoError(t, s.Build(t.Context(), stack.NewConsole(os.Stderr)))
	return s
}

// The collector changes to two tiers and back under load: with everything kept,
// nothing that was acknowledged is lost.
func TestChangingTheTiersLosesNothing(t *testing.T) {
	buildSampling(t)
	requireLoginsWorkWithin(t, 30*time.Second)
	t.Cleanup(func() { assert.NoError(t, running.SetSampling(context.WithoutCancel(t.Context()), false)) })
	logins, refused := logInWhile(t, target.LoginURL, func() {
		require.NoError(t, running.SetSampling(t.Context(), true, "TAIL_SAMPLING_WAIT=2s", "TAIL_SAMPLING_PERCENT=100"))
		require.NoError(t, running.SetSampling(t.Context(), false))
	})
	require.Zero(t, refused)
	require.NotEmpty(t, logins)
	t.Logf("%d logins meanwhile", len(logins))
	requireWhole(t, logins, time.Minute, jaeger(), tempo())
}

// What was not kept is gone; what comes later and matters is not.
func TestALateErrorIsStored(t *testing.T) {
	buildSampling(t)
	t.Cleanup(func() { assert.NoError(t, running.SetSampling(context.WithoutCancel(t.Context()), false)) })
	require.NoError(t, running.SetSampling(t.Context(), true, "TAIL_SAMPLING_WAIT=2s", "TAIL_SAMPLING_PERCENT=0"))
	client, err := otlpload.Dial(target.OTLPGRPC)
	require.NoError(t, err)
	defer client.Close()

	id, trace := otlpload.Trace(otlpload.OK)
	late := take(trace, "audit-mq")
	late.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Status().SetCode(ptrace.StatusCodeError)
	require.NoError(t, client.Send(t.Context(), trace))
	requireDecided(t, client)
	// A sampler still knows the last that it did not keep: of so many that follow, some go the same way.
	for range 16 {
		_, other := otlpload.Trace(otlpload.OK)
		require.NoError(t, client.Send(t.Context(), other))
	}
	requireDecided(t, client)
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		_, err := store.Trace(t.Context(), id)
		require.ErrorIs(t, err, backend.ErrNotFound)
	}
	behind := late.SpanCount()
	require.NoError(t, client.Send(t.Context(), late))
	requireSpans(t, id, behind)
}

// take moves the spans of one service out of a trace.
func take(trace ptrace.Traces, service string) ptrace.Traces {
	taken := ptrace.NewTraces()
	trace.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool {
		name, _ := resource.Resource().Attributes().Get("service.name")
		if name.Str() != service {
			return false
		}
		resource.MoveTo(taken.ResourceSpans().AppendEmpty())
		return true
	})
	return taken
}

// requireDecided waits until the second tier has decided on all that was sent before:
// it has on what is sent after, of which some goes to each sampler.
func requireDecided(t *testing.T, client *otlpload.Client) {
	t.Helper()
	failed := map[string]int{}
	for range 16 {
		id, traces := otlpload.Trace(otlpload.Failed)
		failed[id] = traces.SpanCount()
		require.NoError(t, client.Send(t.Context(), traces))
	}
	for id, count := range failed {
		requireSpans(t, id, count)
	}
}

// requireSpans waits until both stores hold so many spans of the trace.
func requireSpans(t *testing.T, id string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		trace, err := backend.WaitForSpans(ctx, store, id, count)
		require.NoError(t, err)
		require.Len(t, trace.Spans, count)
	}
}
