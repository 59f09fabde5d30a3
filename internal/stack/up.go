package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	needsBroker, brokerErr := s.brokerMissing()
	if err := errors.Join(brokerErr, s.checkPorts(ctx)); err != nil {
		return err
	}
	missing, err := s.missing()
	if err != nil {
		return err
	}

	u := &up{Stack: s, reporter: reporter, built: map[string]chan struct{}{}, healthy: map[string]chan struct{}{}}
	for _, p := range s.parts {
		u.built[p.name], u.healthy[p.name] = make(chan struct{}), make(chan struct{})
		waits := slices.Contains(missing, p.made) || (p.name == "rabbitmq" && needsBroker)
		if !waits {
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
	if needsBroker {
		group.Go(func() error {
			if err := s.installBroker(groupCtx, reporter); err != nil {
				return err
			}
			close(u.built["rabbitmq"])
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
		return fmt.Errorf("interrupted: what is healthy runs on: %w", ctx.Err())
	}
	return errors.Join(err, u.undo(ctx))
}

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
	env := append(s.baseEnv(), p.env...)
	fingerprint, err := s.fingerprint(p, env)
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
		if running, err = s.start(p, env, fingerprint); err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if err := s.awaitReady(ctx, p, running.identity); err != nil {
		if !keep {
			err = errors.Join(err, s.stop(context.WithoutCancel(ctx), p.name, p.grace))
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

func (s *Stack) start(p *part, env []string, fingerprint string) (record, error) {
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
	c, err := spawn(launch{p.command(), env, s.root, log}, func(id identity) error {
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
	for {
		notReady := p.ready(ctx)
		if notReady == nil {
			return nil
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

// brokerMissing tells whether RabbitMQ has to be installed first; the error says
// what to type when it cannot be.
func (s *Stack) brokerMissing() (bool, error) {
	p, err := s.part("rabbitmq")
	if err != nil || p.external || executable(p.binary) == nil {
		return false, err
	}
	script := filepath.Join("rabbitmq", "install.sh")
	if _, err := exec.LookPath("apt-get"); err != nil || runtime.GOOS != "linux" {
		return false, errors.New("rabbitmq: rabbitmq-server is not installed: install RabbitMQ and set RABBITMQ_BIN to its rabbitmq-server, or set RABBITMQ_URL to a broker that runs")
	}
	if os.Geteuid() != 0 {
		return false, fmt.Errorf("rabbitmq: rabbitmq-server is not installed: type `sudo %s`, or set RABBITMQ_URL to a broker that runs", script)
	}
	return true, nil
}

// installBroker installs the package. It is not interrupted: the package manager
// stopped half-way would have to be repaired by hand.
func (s *Stack) installBroker(ctx context.Context, reporter Reporter) error {
	reporter.Note("rabbitmq: installing Debian's rabbitmq-server package, without its system service")
	done := make(chan error, 1)
	go func() {
		done <- s.runTool(context.WithoutCancel(ctx), "install-rabbitmq", installRecord,
			[]string{filepath.Join(s.root, "rabbitmq", "install.sh")}, s.root, func() {})
	}()
	select {
	case <-ctx.Done():
		reporter.Note("rabbitmq: the installation goes on to its end")
		return ctx.Err()
	case err := <-done:
		if err != nil {
			return fmt.Errorf("installation of rabbitmq-server: %w", err)
		}
		p, err := s.part("rabbitmq")
		if err != nil {
			return err
		}
		p.version = rabbitmqVersion(p.binary)
		return nil
	}
}
