package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUpTwiceKeepsWhatRuns(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "serves", "parent")
	if err := s.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	first := s.Status(ctx)
	for _, status := range first {
		if status.State != Running || status.PID == 0 || status.Memory == 0 || status.Version != "1.0" {
			t.Errorf("after up: %+v", status)
		}
	}

	var events recorder
	t.Setenv("LANG", "zz")                    // another shell
	again := newFakeStack(s.root, s.parts...) // as another process would
	if err := again.Up(ctx, &events, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, status := range again.Status(ctx) {
		if status.PID != first[i].PID {
			t.Errorf("%s was restarted", status.Name)
		}
	}
	slices.Sort(events.parts)
	if want := []string{"parent kept", "serves kept"}; !slices.Equal(events.parts, want) {
		t.Errorf("events %q, want %q", events.parts, want)
	}
}

func TestUpRestartsWhatHasChanged(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "serves", "parent")
	config := filepath.Join(s.root, "config.yaml")
	if err := os.WriteFile(config, []byte("a: 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.parts[0].files = []string{"config.yaml"}
	if err := s.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	before := s.Status(ctx)
	if err := os.WriteFile(config, []byte("a: 2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	after := s.Status(ctx)
	if after[0].PID == before[0].PID {
		t.Error("the part whose configuration has changed was not restarted")
	}
	if after[1].PID != before[1].PID {
		t.Error("the part that has not changed was restarted")
	}

	if err := s.Start(ctx, "parent", "EXTRA=1"); err != nil {
		t.Fatal(err)
	}
	if s.Status(ctx)[1].PID == before[1].PID {
		t.Error("the part that was started with another environment was not restarted")
	}
}

func TestAPartThatDiesIsNamedAndTheRestIsStopped(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "serves", "parent", "dies")
	if err := s.Start(ctx, "serves"); err != nil {
		t.Fatal(err)
	}
	// What an earlier run logged is not what went wrong now.
	if err := os.WriteFile(s.logFile("dies"), []byte("an old line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := s.Up(ctx, discard{}, UpOptions{})
	var failure *Failure
	if !errors.As(err, &failure) || failure.Part != "dies" || !slices.Equal(failure.LastLines, []string{"the disk is full"}) {
		t.Errorf("error %v, want a failure of dies with its last line", err)
	}
	if text := err.Error(); !strings.Contains(text, "exit status 3") || !strings.Contains(text, s.display(s.logFile("dies"))) {
		t.Errorf("error %q does not tell the exit status and the log", text)
	}
	got := states(s)
	if got["parent"] != Stopped || got["dies"] != Stopped || got["serves"] != Running {
		t.Errorf("states %v, want only serves, which ran before, to run", got)
	}
}

// A part that dies once is no failure, but is told of.
func TestAPartThatDiesAtItsStartIsStartedAgain(t *testing.T) {
	s := fakeStack(t, "dies at first")
	s.parts[0].env = append(s.parts[0].env, "DEATHS=++")
	r := &recorder{}
	require.NoError(t, s.Up(t.Context(), r, UpOptions{}))
	assert.True(t, s.readRecord("dies at first").alive())
	assert.Equal(t, []string{"dies at first starting", "dies at first running"}, r.parts)
	require.Len(t, r.notes, 2)
	assert.Regexp(t, "^dies at first died while starting.*; it is started again, attempt 2 of 5; see ", r.notes[0])
	assert.Contains(t, r.notes[1], "attempt 3 of 5")
}

func TestAPartThatDiesAtEachStartIsGivenUp(t *testing.T) {
	s := fakeStack(t, "dies at first")
	s.parts[0].env = append(s.parts[0].env, "DEATHS=+++++")
	err := s.Start(t.Context(), "dies at first")
	assert.ErrorContains(t, err, "dies at first died while starting")
	assert.ErrorContains(t, err, "; so did 4 attempts before")
	assert.ErrorContains(t, err, "panic: not begun")
	assert.False(t, s.readRecord("dies at first").alive())
}

func TestAPartThatIsNeverReadyFails(t *testing.T) {
	s := fakeStack(t, "sick")
	s.readyTimeout = 500 * time.Millisecond
	err := s.Up(t.Context(), discard{}, UpOptions{})
	var failure *Failure
	if !errors.As(err, &failure) || failure.Part != "sick" || !strings.Contains(failure.Reason, "503") {
		t.Errorf("error %v, want a failure of sick that tells its answer", err)
	}
	if got := states(s); got["sick"] != Stopped {
		t.Errorf("state %v, want stopped", got)
	}
}

func TestInterruptedUpLeavesNoHalfStartedPart(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := fakeStack(t, "serves", "sick")
	events := recorder{onPart: func(e PartEvent) {
		if e.State == Running {
			interrupt()
		}
	}}
	if err := s.Up(ctx, &events, UpOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got := states(s); got["serves"] != Running || got["sick"] != Stopped {
		t.Errorf("states %v, want the healthy one to run and the other not", got)
	}
}

func TestDownStopsUsersFirstAndTheStubbornToo(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "serves", "parent", "stubborn")
	s.parts[2].grace = 300 * time.Millisecond
	if err := s.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	family := s.family(s.readRecord("parent").identity)
	if len(family) != 2 {
		t.Errorf("the family of parent is %v, want it and its child", family)
	}
	var events recorder
	if err := s.Down(ctx, &events, DownOptions{Volumes: true}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"serves stopped", "parent stopped", "stubborn stopped"}; !slices.Equal(events.parts, want) {
		t.Errorf("events %q, want %q", events.parts, want)
	}
	if slices.ContainsFunc(family, identity.alive) {
		t.Error("a process of parent is left")
	}
	for _, name := range []string{"data", "logs"} {
		if _, err := os.Stat(filepath.Join(s.runDir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after down with volumes", name)
		}
	}
	if err := s.checkPorts(ctx, s.parts...); err != nil {
		t.Error(err)
	}
}

func TestDownAfterUpWasKilled(t *testing.T) {
	dir, ports := t.TempDir(), freePorts(t, 2)
	killed := exec.Command(os.Args[0])
	killed.Env = append(os.Environ(), "FAKE=killed after up", "RUN="+dir, "PORTS="+ports)
	if err := killed.Run(); err == nil || !killed.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("the other process ended with %v, want SIGKILL", err)
	}
	s := newFakeStack(dir, fakeParts(ports, "serves", "parent")...)
	family := s.family(s.readRecord("parent").identity)
	if got := states(s); got["serves"] != Running || got["parent"] != Running {
		t.Errorf("states %v, want both to have outlived the process that started them", got)
	}
	if err := s.Down(t.Context(), discard{}, DownOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := states(s); got["serves"] != Stopped || got["parent"] != Stopped || slices.ContainsFunc(family, identity.alive) {
		t.Errorf("states %v, family %v: something is left", got, family)
	}
}

func TestOrphansOfADeadPartAreSweptUp(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "parent")
	if err := s.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	leader := s.readRecord("parent").identity
	family := s.family(leader)
	if err := syscall.Kill(leader.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := waitUntil(ctx, func() bool { return !leader.alive() }); err != nil {
		t.Fatal(err)
	}
	if err := s.Down(ctx, discard{}, DownOptions{}); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(family, identity.alive) {
		t.Error("the child of the part that was killed is left")
	}
}

func TestStartStopAndKillOfOnePart(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "serves", "stubborn")
	for _, end := range []func() error{
		func() error { return s.Stop(ctx, "serves") },
		func() error { return s.Kill("serves") },
	} {
		if err := s.Start(ctx, "serves"); err != nil {
			t.Fatal(err)
		}
		if got := states(s); got["serves"] != Running || got["stubborn"] != Stopped {
			t.Errorf("states %v, want serves alone to run", got)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if got := states(s); got["serves"] != Stopped {
			t.Errorf("states %v, want serves stopped", got)
		}
	}
	if err := s.Start(ctx, "nobody"); err == nil {
		t.Error("there was no error for a part that does not exist")
	}
}

func TestASecondUpSaysWhoHoldsTheStack(t *testing.T) {
	s := fakeStack(t, "serves")
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	other := newFakeStack(s.root, s.parts...)
	for name, err := range map[string]error{
		"up":   other.Up(t.Context(), discard{}, UpOptions{}),
		"down": other.Down(t.Context(), discard{}, DownOptions{}),
	} {
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d) is at work", os.Getpid())) {
			t.Errorf("%s: error %v, want one that says who is at work", name, err)
		}
	}
	if err := errors.Join(s.Start(t.Context(), "serves"), s.Stop(t.Context(), "serves"), s.Start(t.Context(), "serves"), s.Kill("serves")); err != nil {
		t.Errorf("who holds the stack cannot use it: %v", err)
	}
	unlock()
	if err := other.Up(t.Context(), discard{}, UpOptions{}); err != nil {
		t.Errorf("after its release: %v", err)
	}
}

func TestDownDeletesNothingWhereNoStackHasRun(t *testing.T) {
	s := fakeStack(t, "serves")
	theirs := filepath.Join(s.runDir, "data", "theirs")
	if err := os.MkdirAll(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	err := s.Down(t.Context(), discard{}, DownOptions{Volumes: true})
	if err == nil || !strings.Contains(err.Error(), "THROUGHLINE_RUN_DIR") {
		t.Errorf("error %v, want one that names THROUGHLINE_RUN_DIR", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestAProcessOfAnotherBootIsNotOurs(t *testing.T) {
	own, err := identify(os.Getpid())
	if err != nil || !own.alive() {
		t.Fatalf("%v, %v: want this process to be alive", own, err)
	}
	if own.Boot = "another"; own.alive() {
		t.Error("a process of another boot is alive")
	}
}

func TestInstallsAMissingProgram(t *testing.T) {
	s := fakeStack(t, "serves")
	p := s.parts[0]
	program := p.binary
	p.binary = filepath.Join(s.root, "program")
	p.installer = filepath.Join(s.root, "install.sh")
	p.otherwise = "set SERVES_BIN"
	script := "#!/bin/sh\ncp '" + program + "' '" + p.binary + "'\n"
	if err := os.WriteFile(p.installer, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	err := s.Up(t.Context(), discard{}, UpOptions{})
	if _, aptErr := exec.LookPath("apt-get"); aptErr != nil || os.Geteuid() != 0 {
		if err == nil || !strings.Contains(err.Error(), p.otherwise) {
			t.Errorf("error %v, want one that tells what to do instead", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := states(s); got["serves"] != Running {
		t.Errorf("states %v, want it to run", got)
	}
}

func TestUpTellsOfAQueueThatWasSetAside(t *testing.T) {
	s := fakeStack(t, "serves")
	queue := filepath.Join(s.dataDir("otel-collector"), "exporter_otlp_http_jaeger_traces.20261128.backup")
	if err := errors.Join(os.MkdirAll(filepath.Dir(queue), 0o700), os.WriteFile(queue, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var events recorder
	if err := s.Up(t.Context(), &events, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events.notes, func(note string) bool { return strings.Contains(note, filepath.Base(queue)) }) {
		t.Errorf("notes %q, want one that names the queue", events.notes)
	}
}
