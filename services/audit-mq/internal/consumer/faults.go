package consumer

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"throughline/services/audit-mq/internal/config"
)

var errProvoked = errors.New("provoked by Faults.FailureRatio of the configuration")

// provoke takes the time and returns the failures that the configuration asks
// for; as a rule it does nothing.
func provoke(ctx context.Context, faults config.Faults) error {
	if faults.Delay > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(faults.Delay):
		}
	}
	if rand.Float64() < faults.FailureRatio {
		return errProvoked
	}
	return nil
}
