package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"throughline/services/audit-mq/internal/config"
	"throughline/services/internal/events"
)

func TestWithoutFaultsNothingIsProvoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for range 1000 {
			assert.NoError(t, provoke(t.Context(), config.Faults{}))
		}
		assert.Zero(t, time.Since(began))
	})
}

func TestDelayEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.NoError(t, provoke(t.Context(), config.Faults{Delay: time.Second}))
		assert.Equal(t, time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		assert.ErrorIs(t, provoke(ctx, config.Faults{Delay: time.Second}), context.DeadlineExceeded)
		assert.Equal(t, 1100*time.Millisecond, time.Since(began))
	})
}

func TestFailureRatioIsTheShareThatIsRetried(t *testing.T) {
	failed := 0
	for range 10_000 {
		if err := provoke(t.Context(), config.Faults{FailureRatio: 0.7}); err != nil {
			failed++
			assert.Equal(t, events.RetryQueue(events.RetryDelays[0]), nextStop(err, 1))
		}
	}
	assert.InDelta(t, 7000, failed, 300)
	assert.Error(t, provoke(t.Context(), config.Faults{FailureRatio: 1}), "all of them")
}
