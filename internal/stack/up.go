package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

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

	died bool // the process of the part has ended
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
// restarts what has changed, stops what belongs to the stack no more, and returns
// when all are healthy. What runs already and is as it should be is kept.
//
// If a part fails, Up stops those that it started itself and returns a Failure
// that names the part; without an optional one it goes on. If ctx ends, it stops
// only what it started and is not yet healthy, and the next Up goes on from there.
func (s *Stack) Up(ctx context.Context, reporter Reporter, options UpOptions) error {
	unlock, err := s.begin(ctx, reporter)
	if err != nil {
		return err
	}
	defer unlock()
	toInstall, err := s.notInstalled()
	if err := errors.Join(err, s.checkPorts(ctx, s.required()...)); err != nil {
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
	group.Go(func() error {
		err := s.install(groupCtx, toInstall, reporter)
		if err == nil {
			for _, p := range toInstall {
				close(u.built[p.name])
			}
		}
		return err
	})
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
		s.tellSetAside(reporter)
		s.tellDiskShort(reporter)
		if err := s.retire(ctx, reporter); ctx.Err() == nil {
			return err
		}
		fallthrough
	case ctx.Err() != nil:
		return interrupted{ctx.Err()}
	}
	return errors.Join(err, u.undo(ctx))
}

// tellSetAside tells of queues that a collector found damaged when it started.
func (s *Stack) tellSetAside(reporter Reporter) {
	files, _ := filepath.Glob(filepath.Join(s.runDir, "data", "*", "exporter_*.backup")) // the pattern is good
	for _, file := range files {
		reporter.Note(fmt.Sprintf("a queue of the collector was damaged and is set aside: what waited in %s has not reached its store (docs/runbooks/alerts.md#queuesetaside)", s.display(file)))
	}
}

// Build makes what Up would have to make, and starts nothing.
func (s *Stack) Build(ctx context.Context, reporter Reporter) error {
	unlock, err := s.begin(ctx, reporter)
	if err != nil {
		return err
	}
	defer unlock()
	toInstall, err := s.notInstalled()
	if err != nil {
		return err
	}
	missing, err := s.missing()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.install(ctx, toInstall, reporter) })
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
	if p.optional {
		if err := u.checkPorts(ctx, p); err != nil {
			u.reporter.Note(err.Error())
			return nil
		}
	}
	if p.name == firstTier {
		if err := u.handOver(ctx, u.reporter); err != nil {
			return err
		}
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
	if p.optional && ctx.Err() == nil && err != nil {
		u.reporter.Note(err.Error())
		return nil
	}
	return err
}

// required returns the parts without which there is no stack.
func (s *Stack) required() []*part {
	return slices.DeleteFunc(slices.Clone(s.parts), func(p *part) bool { return p.optional })
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
	for _, p := range u.required() {
		select {
		case <-u.built[p.name]:
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
