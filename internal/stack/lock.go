package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Lock takes the run directory, in which only one process at a time starts and
// stops parts. Up, Down and Build take it themselves. Whoever calls Start, Stop,
// Kill, RunCollector or SetSampling, which do not, and must not be disturbed, holds
// it meanwhile: Up would mend what was broken on purpose. The error names the
// process that has it. The system releases it however the process ends.
func (s *Stack) Lock() (unlock func(), err error) {
	lock := newLock(s.runDir)
	taken, err := lock.try()
	if err != nil {
		return nil, err
	}
	if !taken {
		return nil, fmt.Errorf("%s is at work in %s: wait for it, or interrupt it", lock.holder(), s.display(s.runDir))
	}
	return lock.release, nil
}

// lockBuilds takes the build directory, which stacks share, and waits for it.
func (s *Stack) lockBuilds(ctx context.Context, reporter Reporter) (unlock func(), err error) {
	lock := newLock(s.buildDir)
	announced := false
	var failure error
	err = waitUntil(ctx, func() bool {
		taken, err := lock.try()
		if err != nil {
			failure = err
			return true
		}
		if !taken && !announced {
			announced = true
			reporter.Note(fmt.Sprintf("%s is building in %s: waiting for it", lock.holder(), s.display(s.buildDir)))
		}
		return taken
	})
	if err := errors.Join(err, failure); err != nil {
		return nil, err
	}
	return lock.release, nil
}

// directoryLock is a lock whose file says who holds it.
type directoryLock struct {
	*flock.Flock
}

func newLock(dir string) directoryLock { return directoryLock{flock.New(filepath.Join(dir, "lock"))} }

func (l directoryLock) try() (bool, error) {
	if err := os.MkdirAll(filepath.Dir(l.Path()), 0o755); err != nil {
		return false, err
	}
	taken, err := l.TryLock()
	if err != nil || !taken {
		return false, err
	}
	who := fmt.Sprintf("%s (pid %d)", strings.Join(append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...), " "), os.Getpid())
	return true, os.WriteFile(l.Path(), []byte(who), 0o644)
}

func (l directoryLock) holder() string {
	who, err := os.ReadFile(l.Path())
	if err != nil || len(who) == 0 {
		return "another process"
	}
	return string(who)
}

// The file stays: to remove it would let a third process lock another one.
func (l directoryLock) release() { _ = l.Close() }
