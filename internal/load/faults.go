package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// restoreTimeout bounds the restart that brings audit-mq back as it was.
const restoreTimeout = time.Minute

// setFaults locks the stack and restarts audit-mq with the scenario's faults, if it
// has any: who mends parts meanwhile would take them away. What it returns brings
// audit-mq back as it was and unlocks; the first call does, and an end of ctx does
// so as well. Call it in any case, for its error.
func setFaults(ctx context.Context, options Options) (restore func() error, err error) {
	s := options.Scenario
	if len(s.faults) == 0 {
		return func() error { return nil }, nil
	}
	settings := strings.Join(s.faults, " ")
	if options.RestartAuditMQ == nil {
		return nil, fmt.Errorf(`the scenario %s restarts audit-mq, and this one was not started by "throughline up" from here: set the fault yourself and drive it steadily; with Docker Compose:
  %s docker compose up -d --wait audit-mq
  throughline load
  docker compose up -d --wait audit-mq`, s.Name, settings)
	}
	unlock := func() {}
	if options.Lock != nil {
		if unlock, err = options.Lock(); err != nil {
			return nil, err
		}
	}
	restore = sync.OnceValue(func() error {
		defer unlock()
		ctx, cancel := context.WithTimeout(context.Background(), restoreTimeout) // an interrupted load restores, too
		defer cancel()
		if err := options.RestartAuditMQ(ctx); err != nil {
			return fmt.Errorf("audit-mq may still run with %s, or not at all: %w; run `throughline up`", settings, err)
		}
		return nil
	})
	if err := options.RestartAuditMQ(ctx, s.faults...); err != nil {
		return nil, errors.Join(fmt.Errorf("restart audit-mq with %s: %w", settings, err), restore())
	}
	context.AfterFunc(ctx, func() { _ = restore() })
	return restore, nil
}
