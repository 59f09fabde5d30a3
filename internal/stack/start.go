package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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

// startAttempts is how often a part that dies while it starts is started, all in
// all. Docker Compose starts one again, too: the collector, for one, panics when
// metrics come in before its exporter of metrics has begun.
const startAttempts = 5

// ensure makes a part run and waits until it is healthy; one that dies at its
// start gets startAttempts. It tells whether it started a process that is still
// there: one that fails is stopped.
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
	if keep {
		if err := s.awaitReady(ctx, p, running.identity); err != nil {
			return false, err
		}
		report(Kept)
		return false, nil
	}
	if running.alive() { // it goes on if what is to follow could not
		if err := s.checkConfiguration(ctx, p); err != nil {
			return false, err
		}
	}
	if err := s.stop(ctx, p.name, p.grace); err != nil {
		return false, err
	}
	report(Starting)
	for attempt := 1; ; attempt++ {
		if running, err = s.start(p, fingerprint); err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
		err := s.awaitReady(ctx, p, running.identity)
		if err == nil && p.begun != nil {
			err = p.begun(ctx)
		}
		if err == nil {
			report(Running)
			return true, nil
		}
		if stopErr := s.stop(context.WithoutCancel(ctx), p.name, p.grace); stopErr != nil {
			return false, errors.Join(err, stopErr)
		}
		if ctx.Err() != nil {
			report(Stopped)
			return false, err
		}
		var failure *Failure
		if !errors.As(err, &failure) || !failure.died {
			return false, err
		}
		if attempt == startAttempts {
			failure.Reason += fmt.Sprintf("; so did %d attempts before", startAttempts-1)
			return false, failure
		}
		reporter.Note(fmt.Sprintf("%s %s; it is started again, attempt %d of %d; see %s",
			p.name, failure.Reason, attempt+1, startAttempts, failure.Log))
	}
}

// checkConfiguration asks a part that can whether it would start as it is set.
func (s *Stack) checkConfiguration(ctx context.Context, p *part) error {
	if p.check == "" {
		return nil
	}
	command := append(p.command(), p.check)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = s.root, append(s.baseEnv(), p.env...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s would not start, and goes on as it is: %w: %.500s", p.name, err, strings.TrimSpace(string(said)))
	}
	return nil
}

func (s *Stack) start(p *part, fingerprint string) (record, error) {
	if err := privateDir(s.dataDir(p.name)); err != nil {
		return record{}, err
	}
	if err := os.WriteFile(s.markerFile(), nil, 0o600); err != nil { // parts start at the same time
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
	var exited <-chan struct{} // of a child, which tells how it ended; of another process it is looked whether it lives
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
			return s.death(p, fmt.Sprintf("died while starting: %v", cause(c.err)))
		case <-ctx.Done():
			if context.Cause(ctx) != errNotReady {
				return ctx.Err()
			}
			if p.external {
				return fmt.Errorf("%s (%s) does not answer: %w; check RABBITMQ_URL, or unset it to run a private broker", p.name, p.address, notReady)
			}
			return s.failure(p, fmt.Sprintf("is not ready after %s: %v", s.readyTimeout, notReady))
		case <-ticker.C:
			if exited == nil && !p.external && !id.alive() {
				return s.death(p, "died while starting")
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

// death is the failure of a part whose process has ended.
func (s *Stack) death(p *part, reason string) *Failure {
	f := s.failure(p, reason)
	f.died = true
	return f
}

func (s *Stack) failure(p *part, reason string) *Failure {
	path := s.logFile(p.name)
	return &Failure{
		Part: p.name, Reason: reason, Log: s.display(path),
		LastLines: lastLines(path, s.readRecord(p.name).LogOffset, 20),
	}
}
