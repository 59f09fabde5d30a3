package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Start starts a part that is built and waits until it is healthy; a part that
// runs as it should is kept. The extra environment variables, "NAME=value", are
// for this run of it: the next Up restarts the part without them.
func (s *Stack) Start(ctx context.Context, name string, extraEnv ...string) error {
	p, err := s.part(name)
	if err != nil {
		return err
	}
	if p.external {
		return fmt.Errorf("%s is external (RABBITMQ_URL): it is not started from here", name)
	}
	if err := executable(p.binary); err != nil {
		return fmt.Errorf("%s: %s: %w; run `throughline up` first", name, p.binary, err)
	}
	changed := *p
	changed.env = append(slices.Clip(p.env), extraEnv...)
	_, err = s.ensure(ctx, &changed, discard{})
	return err
}

// ensure makes a part run and waits until it is healthy. It tells whether it
// started a process that is still there: one that fails is stopped.
func (s *Stack) ensure(ctx context.Context, p *part, reporter Reporter) (started bool, err error) {
	begin := time.Now()
	report := func(state State) {
		reporter.Part(PartEvent{Part: p.name, State: state, Address: p.address, Version: p.version, Elapsed: time.Since(begin)})
	}
	if p.external {
		if err := s.awaitReady(ctx, p, identity{}); err != nil {
			return false, err
		}
		report(External)
		return false, nil
	}
	fingerprint, err := s.fingerprint(p)
	if err != nil {
		return false, fmt.Errorf("%s: %w", p.name, err)
	}
	running := s.readRecord(p.name)
	keep := running.alive() && running.Fingerprint == fingerprint
	if !keep {
		if err := s.stop(ctx, p.name, p.grace); err != nil {
			return false, err
		}
		report(Starting)
		if running, err = s.start(p, fingerprint); err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if err := s.awaitReady(ctx, p, running.identity); err != nil {
		if keep {
			return false, err
		}
		if stopErr := s.stop(context.WithoutCancel(ctx), p.name, p.grace); stopErr != nil {
			return false, errors.Join(err, stopErr)
		}
		if ctx.Err() != nil {
			report(Stopped)
		}
		return false, err
	}
	if keep {
		report(Kept)
	} else {
		report(Running)
	}
	return !keep, nil
}

func (s *Stack) start(p *part, fingerprint string) (record, error) {
	if err := os.MkdirAll(s.dataDir(p.name), 0o755); err != nil {
		return record{}, err
	}
	log, err := s.openLog(p.name)
	if err != nil {
		return record{}, err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return record{}, err
	}
	r := record{Version: p.version, Fingerprint: fingerprint, LogOffset: info.Size()}
	c, err := spawn(launch{p.command(), append(s.baseEnv(), p.env...), s.root, log}, func(id identity) error {
		r.identity = id
		return s.writeRecord(p.name, r)
	})
	if err != nil {
		return record{}, err
	}
	s.mu.Lock()
	s.children[p.name] = c
	s.mu.Unlock()
	return r, nil
}

// awaitReady polls until the part is healthy, and fails when its process ends or
// the time is up.
func (s *Stack) awaitReady(ctx context.Context, p *part, id identity) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.readyTimeout, errNotReady)
	defer cancel()
	s.mu.Lock()
	c := s.children[p.name]
	s.mu.Unlock()
	exited := make(<-chan struct{})
	if c != nil && c.identity == id {
		exited = c.exited
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var notReady error
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // else the answer was not waited for, and tells nothing
			notReady = err
		}
		select {
		case <-exited:
			return s.failure(p, fmt.Sprintf("died while starting: %v", cause(c.err)))
		case <-ctx.Done():
			if context.Cause(ctx) != errNotReady {
				return ctx.Err()
			}
			if p.external {
				return fmt.Errorf("%s (%s) does not answer: %w; check RABBITMQ_URL, or unset it to run a private broker", p.name, p.address, notReady)
			}
			return s.failure(p, fmt.Sprintf("is not ready after %s: %v", s.readyTimeout, notReady))
		case <-ticker.C:
			if !p.external && !id.alive() {
				return s.failure(p, "died while starting")
			}
		}
	}
}

var errNotReady = errors.New("not ready in time")

// cause words how a process ended.
func cause(err error) error {
	if err == nil {
		return errors.New("it ended with status 0")
	}
	return err
}

func (s *Stack) failure(p *part, reason string) *Failure {
	path := s.logFile(p.name)
	return &Failure{
		Part: p.name, Reason: reason, Log: s.display(path),
		LastLines: lastLines(path, s.readRecord(p.name).LogOffset, 20),
	}
}
