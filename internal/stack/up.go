package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// UpOptions change what Up does. The zero value is what most callers want.
type UpOptions struct {
	// Traceable is called at most once: when parts are still being built, but
	// those that together can show a trace (services, broker, collector and
	// Tempo) are healthy. Up does not return before it does.
	Traceable func(context.Context)
}

// Failure says what went wrong with a part or a build, with the end of its log.
type Failure struct {
	Part      string // empty for a build
	Reason    string
	Log       string // path
	LastLines []string
}

// Error returns the reason, the last lines and where to read more.
func (f *Failure) Error() string {
	var text strings.Builder
	if f.Part != "" {
		text.WriteString(f.Part + " ")
	}
	text.WriteString(f.Reason)
	if len(f.LastLines) > 0 {
		fmt.Fprintf(&text, "\n  the end of %s:", f.Log)
		for _, line := range f.LastLines {
			text.WriteString("\n    " + line)
		}
	} else if f.Log != "" {
		fmt.Fprintf(&text, "\n  see %s", f.Log)
	}
	return text.String()
}

// Up makes every part run: it builds what is missing, starts what does not run,
// restarts what has changed, and returns when all are healthy. What runs already
// and is as it should be is kept.
//
// If a part fails, Up stops those that it started itself and returns a Failure
// that names the part. If ctx ends, it stops only what it started and is not yet
// healthy, and the next Up goes on from there.
func (s *Stack) Up(ctx context.Context, reporter Reporter, options UpOptions) error {
	unlock, err := s.lockRun()
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.sweep(ctx, reporter); err != nil {
		return err
	}
	toInstall, err := s.notInstalled()
	if err := errors.Join(err, s.checkPorts(ctx)); err != nil {
		return err
	}
	missing, err := s.missing()
	if err != nil {
		return err
	}

	u := &up{Stack: s, reporter: reporter, built: map[string]chan struct{}{}, healthy: map[string]chan struct{}{}}
	for _, p := range s.parts {
		u.built[p.name], u.healthy[p.name] = make(chan struct{}), make(chan struct{})
		if !slices.Contains(missing, p.made) && !slices.Contains(toInstall, p) {
			close(u.built[p.name])
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.runBuilds(groupCtx, missing, reporter, func(b *build) {
			for _, p := range s.parts {
				if p.made == b {
					close(u.built[p.name])
				}
			}
		})
	})
	for _, p := range toInstall {
		group.Go(func() error {
			if err := s.install(groupCtx, p, reporter); err != nil {
				return err
			}
			close(u.built[p.name])
			return nil
		})
	}
	for _, p := range s.parts {
		group.Go(func() error { return u.bring(groupCtx, p) })
	}
	if options.Traceable != nil {
		group.Go(func() error {
			u.whenTraceable(groupCtx, options.Traceable)
			return nil
		})
	}
	err = group.Wait()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return interrupted{ctx.Err()}
	}
	return errors.Join(err, u.undo(ctx))
}

// Build makes what Up would have to make, and starts nothing.
func (s *Stack) Build(ctx context.Context, reporter Reporter) error {
	unlock, err := s.lockRun()
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.sweep(ctx, reporter); err != nil {
		return err
	}
	toInstall, err := s.notInstalled()
	if err != nil {
		return err
	}
	missing, err := s.missing()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range toInstall {
		group.Go(func() error { return s.install(ctx, p, reporter) })
	}
	group.Go(func() error { return s.runBuilds(ctx, missing, reporter, func(*build) {}) })
	return group.Wait()
}

// interrupted is the end of an Up that was told to stop.
type interrupted struct{ cause error }

func (interrupted) Error() string {
	return "interrupted: what is healthy runs on; throughline up goes on from there, throughline down stops it"
}

func (i interrupted) Unwrap() error { return i.cause }

// up is one run of Up.
type up struct {
	*Stack
	reporter Reporter
	built    map[string]chan struct{} // by part; closed when there is a binary
	healthy  map[string]chan struct{} // by part; closed when it is

	mu      sync.Mutex
	started []*part
}

// bring makes one part run, as soon as it is built.
func (u *up) bring(ctx context.Context, p *part) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-u.built[p.name]:
	}
	started, err := u.ensure(ctx, p, u.reporter)
	if started {
		u.mu.Lock()
		u.started = append(u.started, p)
		u.mu.Unlock()
	}
	if err == nil {
		close(u.healthy[p.name])
	}
	return err
}

// whenTraceable calls show when a trace can be seen and something is still being built.
func (u *up) whenTraceable(ctx context.Context, show func(context.Context)) {
	for _, name := range traceable {
		select {
		case <-ctx.Done():
			return
		case <-u.healthy[name]:
		}
	}
	for _, built := range u.built {
		select {
		case <-built:
		default:
			show(ctx)
			return
		}
	}
}

// undo stops what this Up started.
func (u *up) undo(ctx context.Context) error {
	var names []string
	for _, p := range u.started {
		names = append(names, p.name)
	}
	return u.stopAll(context.WithoutCancel(ctx), names, u.reporter)
}

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

// installRecord is the name under which a running installation has its pid file.
const installRecord = "install"

// notInstalled returns the parts whose program has to be installed first; the
// error says what to type where that cannot be done from here.
func (s *Stack) notInstalled() ([]*part, error) {
	var parts []*part
	for _, p := range s.parts {
		if p.installer == "" || executable(p.binary) == nil {
			continue
		}
		if _, err := exec.LookPath("apt-get"); err != nil {
			return nil, fmt.Errorf("%s: there is no %s: %s", p.name, p.binary, p.otherwise)
		}
		if os.Geteuid() != 0 {
			return nil, fmt.Errorf("%s: there is no %s: type `sudo %s`, or %s", p.name, p.binary, s.display(p.installer), p.otherwise)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// install installs the program of a part. It is not interrupted: a package
// manager that is stopped half-way has to be repaired by hand.
func (s *Stack) install(ctx context.Context, p *part, reporter Reporter) error {
	reporter.Note(fmt.Sprintf("%s: installing it with %s", p.name, s.display(p.installer)))
	done := make(chan error, 1)
	go func() {
		done <- s.runTool(context.WithoutCancel(ctx), "install-"+p.name, installRecord, []string{p.installer}, s.root, func() {})
	}()
	select {
	case <-ctx.Done():
		reporter.Note(fmt.Sprintf("%s: the installation goes on to its end", p.name))
		return ctx.Err()
	case err := <-done:
		if err != nil {
			return fmt.Errorf("installation of %s: %w\n  %s", p.name, err, p.otherwise)
		}
		return nil
	}
}
