package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// DownOptions change what Down does.
type DownOptions struct {
	Volumes bool // forget data and logs, too
}

// Down stops whatever of this stack runs, users before what they use, and
// returns when all of it is gone. It goes by the pid files, and so does not
// depend on how, or whether, the Up that started a part ended.
func (s *Stack) Down(ctx context.Context, reporter Reporter, options DownOptions) error {
	unlock, err := s.begin(ctx, reporter)
	if err != nil {
		return err
	}
	defer unlock()
	names, err := s.recordNames()
	if err != nil {
		return err
	}
	if err := s.stopAll(ctx, names, reporter); err != nil {
		return err
	}
	if !options.Volumes {
		return nil
	}
	data, logs := filepath.Join(s.runDir, "data"), filepath.Join(s.runDir, "logs")
	if _, err := os.Stat(s.markerFile()); err != nil && (exists(data) || exists(logs)) {
		return fmt.Errorf("%s and %s are not deleted: no stack has started from %s, as it has no file %s; check THROUGHLINE_RUN_DIR, or run `throughline up` once if an older version has made them",
			data, logs, s.runDir, filepath.Base(s.markerFile()))
	}
	return errors.Join(os.RemoveAll(data), os.RemoveAll(logs), os.RemoveAll(s.markerFile()))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Stop stops a part: SIGTERM, and SIGKILL when it does not end in time or ctx ends.
func (s *Stack) Stop(ctx context.Context, name string) error {
	p, err := s.part(name)
	if err != nil {
		return err
	}
	return s.stop(ctx, name, p.grace)
}

// Kill ends a part and all its processes by SIGKILL.
func (s *Stack) Kill(name string) error {
	if _, err := s.part(name); err != nil {
		return err
	}
	return s.stop(context.Background(), name, 0)
}

func (s *Stack) stop(ctx context.Context, name string, grace time.Duration) error {
	if err := s.terminate(ctx, s.readRecord(name).identity, grace); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.mu.Lock()
	c := s.children[name]
	delete(s.children, name)
	s.mu.Unlock()
	if c != nil {
		<-c.exited
	}
	return s.removeRecord(name)
}

// stopAll stops the named parts: each as soon as those that need it are stopped.
func (s *Stack) stopAll(ctx context.Context, names []string, reporter Reporter) error {
	stopped := map[string]chan struct{}{}
	for _, name := range names {
		stopped[name] = make(chan struct{})
	}
	var wait sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wait.Go(func() {
			defer close(stopped[name])
			grace := 10 * time.Second // of a part that this version does not know
			for _, p := range s.parts {
				if done, stopping := stopped[p.name]; stopping && slices.Contains(p.needs, name) {
					<-done
				}
				if p.name == name {
					grace = p.grace
				}
			}
			begin := time.Now()
			if errs[i] = s.stop(ctx, name, grace); errs[i] == nil {
				reporter.Part(PartEvent{Part: name, State: Stopped, Elapsed: time.Since(begin)})
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// begin takes the run directory and clears away what killed processes have left.
func (s *Stack) begin(ctx context.Context, reporter Reporter) (unlock func(), err error) {
	unlock, err = s.Lock()
	if err != nil && s.supervisorWorks() { // it makes way
		if err := s.stop(ctx, supervisor, supervisorGrace); err != nil {
			return nil, err
		}
		unlock, err = s.Lock()
	}
	if err != nil {
		return nil, err
	}
	if err := s.sweep(ctx, reporter); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// sweep removes what processes that were killed have left: a build that goes on
// by itself, pid files of the dead, and orphans of a part whose main process died.
func (s *Stack) sweep(ctx context.Context, reporter Reporter) error {
	if r := s.readRecord(installRecord); r.alive() {
		reporter.Note("waiting for the installation of rabbitmq-server to end")
		if err := waitUntil(ctx, func() bool { return !r.alive() }); err != nil {
			return err
		}
	}
	names, err := s.recordNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		r := s.readRecord(name)
		if r.alive() && name != buildRecord {
			continue
		}
		if err := s.stop(ctx, name, 0); err != nil {
			return err
		}
	}
	return nil
}
