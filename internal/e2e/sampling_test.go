package e2e

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/backend"
	"throughline/internal/evaluate"
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

func TestTailSamplingKeepsWhatMatters(t *testing.T) {
	buildSampling(t)
	requireLoginsWorkWithin(t, 30*time.Second)
	got, err := evaluate.Sampling(t.Context(), running, 400, os.Stderr)
	require.NoError(t, err)

	for _, group := range got.Groups {
		t.Logf("%s: %+v", group.Name, group)
		require.NotZero(t, group.Sent, group.Name)
		assert.Zero(t, group.Partial, "%s: traces that are kept are whole", group.Name)
		if group.Expected == 1 {
			assert.Equal(t, group.Sent, group.Whole, "%s: all are kept", group.Name)
		}
	}
	rest := got.Groups[0]
	share := float64(rest.Whole) / float64(rest.Sent)
	assert.InDelta(t, rest.Expected, share, 0.08, "the share of the rest") // five standard deviations
	assert.Less(t, got.SpansKept, got.SpansSent/2)
	assert.Equal(t, got.SpansSent, got.MetricCalls, "the span metrics are those of all the traffic")
	for _, part := range running.Status(t.Context()) {
		assert.NotContains(t, part.Name, "sampler")
	}
	requireWhole(t, logIn(t, 2), 30*time.Second, jaeger(), tempo())
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

// A sampler that is killed costs what it held undecided, and nothing before or after.
func TestAKilledSamplerCostsWhatItHeld(t *testing.T) {
	sampling := buildSampling(t)
	requireLoginsWorkWithin(t, 30*time.Second)
	t.Cleanup(func() { assert.NoError(t, running.SetSampling(context.WithoutCancel(t.Context()), false)) })
	settings := []string{"TAIL_SAMPLING_WAIT=5s", "TAIL_SAMPLING_PERCENT=100"}
	require.NoError(t, running.SetSampling(t.Context(), true, settings...))

	decided := logIn(t, 40)
	requireWhole(t, decided, time.Minute, jaeger(), tempo())
	held := logIn(t, 40)
	require.NoError(t, sampling.Kill("sampler-1"))
	while := logIn(t, 40)
	require.NoError(t, sampling.Start(t.Context(), "sampler-1", settings...))
	requireWhole(t, slices.Concat(decided, while), 3*time.Minute, jaeger(), tempo())

	whole := 0
	for _, login := range held {
		trace, err := tempo().Trace(t.Context(), login.TraceID)
		if err != nil {
			require.ErrorIs(t, err, backend.ErrNotFound)
		} else if len(trace.Spans) == wholeTrace {
			whole++
		}
	}
	t.Logf("%d of %d logins of the last wait are whole", whole, len(held))
	assert.NotZero(t, whole, "the other sampler has kept its half")
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
