package stack

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervised runs what the supervisor does until the test ends.
func supervised(t *testing.T, s *Stack) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Supervise(ctx, func(ctx context.Context, part string) error { return s.Start(ctx, part) })
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if waitUntil(ctx, condition) != nil {
		t.Fatal("not within 30 s: " + what)
	}
}

func TestAPartThatEndsByItselfIsStartedAgainAndOneThatIsStoppedIsNot(t *testing.T) {
	s := fakeStack(t, "serves", "stubborn")
	if err := s.Up(t.Context(), discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	supervised(t, s)
	eventually(t, "serves is stopped", func() bool {
		unlock, err := s.Lock() // as every command holds it
		if err != nil {
			return false
		}
		defer unlock()
		return s.Stop(t.Context(), "serves") == nil
	})
	for range 2 { // the second time it waits
		first := s.readRecord("stubborn").PID
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "stubborn runs again", func() bool {
			return s.readRecord("stubborn").PID != first && states(s)["stubborn"] == Running
		})
	}
	if got := states(s)["serves"]; got != Stopped {
		t.Errorf("serves is %s: it was stopped on purpose", got)
	}
}

// A fault that somebody brings about holds the lock and ends by itself.
func TestWhoHoldsTheLockIsNotDisturbed(t *testing.T) {
	s := fakeStack(t, "serves")
	if err := s.Up(t.Context(), discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	killed := s.readRecord("serves")
	if err := syscall.Kill(killed.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	v := supervision{Stack: s, start: func(context.Context, string) error {
		t.Error("it is started while another process works on the stack")
		return nil
	}, restarts: map[string]restart{}}
	eventually(t, "serves is dead", func() bool { return !killed.alive() })
	v.startAgain(t.Context())
	unlock()
}

func TestTheCollectorIsStoppedWhileTheDiskIsShort(t *testing.T) {
	s := fakeStack(t, "serves")
	s.parts[0].name = firstTier
	s.parts = append(s.parts, &part{name: supervisor})
	if err := s.Start(t.Context(), firstTier); err != nil {
		t.Fatal(err)
	}
	free, err := s.freeDisk()
	if err != nil {
		t.Fatal(err)
	}
	v := supervision{Stack: s, start: func(ctx context.Context, part string) error { return s.Start(ctx, part) }}

	s.diskReserve = 2 * free
	v.keepDiskFree(t.Context())
	for _, status := range s.Status(t.Context()) {
		if status.Name == firstTier && (status.State != Stopped || !strings.Contains(status.Reason, "DISK_RESERVE")) {
			t.Errorf("%+v", status)
		}
	}
	var told recorder
	s.tellDiskShort(&told)
	if len(told.notes) != 1 || !strings.Contains(told.notes[0], "free on the disk of run, and DISK_RESERVE is") {
		t.Errorf("up says %q", told.notes)
	}

	s.diskReserve = free * 3 / 4 // not half as much again
	v.keepDiskFree(t.Context())
	if got := states(s)[firstTier]; got != Stopped {
		t.Errorf("with little room the collector is %s", got)
	}
	s.diskReserve = free / 2
	v.keepDiskFree(t.Context())
	if got := states(s)[firstTier]; got != Running {
		t.Errorf("with room the collector is %s", got)
	}
}
