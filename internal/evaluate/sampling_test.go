package evaluate

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/otlpload"
)

func countSpans(traces ptrace.Traces, each func(traceID string)) {
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				each(span.TraceID().String())
			}
		}
	}
}

func TestTheSpansOfATraceComeInSeveralRequests(t *testing.T) {
	traces, requests, late := samplingTraffic(400)
	spans, carriers, behind := map[string]int{}, map[string]int{}, map[string]int{}
	for _, request := range requests {
		carried := map[string]bool{}
		countSpans(request, func(id string) { spans[id]++; carried[id] = true })
		for id := range carried {
			carriers[id]++
		}
	}
	countSpans(late, func(id string) { behind[id]++ })
	groups := map[int]int{}
	for _, trace := range traces {
		groups[trace.group]++
		assert.Equal(t, trace.spans, spans[trace.id]+behind[trace.id])
		dead := trace.group == int(otlpload.DeadLettered)
		assert.Equal(t, dead, behind[trace.id] > 0, "late are the dead letters")
		if trace.group != int(otlpload.Failed) { // login-api found nobody to talk to
			assert.Equal(t, 3, carriers[trace.id])
		}
	}
	assert.Equal(t, map[int]int{int(otlpload.OK): 340, int(otlpload.Failed): 20, int(otlpload.Slow): 20, int(otlpload.DeadLettered): 20}, groups)
}

// tiers notes what it is asked to be.
type tiers struct {
	parts
	asked []bool
	fails error
	alive func() error // of the last context
}

func (t *tiers) Sampling(ctx context.Context, on bool, _ ...string) error {
	t.asked, t.alive = append(t.asked, on), ctx.Err
	if on {
		return t.fails
	}
	return nil
}

func TestOneTierIsRestoredWhateverHappens(t *testing.T) {
	broken := errors.New("broken")
	for name, run := range map[string]struct{ changing, measuring error }{
		"all is well": {}, "no change": {changing: broken}, "no measurement": {measuring: broken},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			fake := &tiers{fails: run.changing}
			measured := false
			err := (&lab{parts: fake, progress: io.Discard}).inTwoTiers(ctx, func() error {
				measured = true
				interrupt()
				return run.measuring
			})
			assert.Equal(t, run.changing != nil || run.measuring != nil, errors.Is(err, broken))
			assert.Equal(t, run.changing == nil, measured)
			require.Equal(t, []bool{true, false}, fake.asked)
			assert.NoError(t, fake.alive(), "an interrupt does not reach the way back")
		})
	}
}
