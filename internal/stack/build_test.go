package stack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const helloWorld = "package main\n\nfunc main() { println(\"hello\") }\n"

// fakeModule adds a part that is built from a module with the given source.
func fakeModule(t *testing.T, s *Stack, name, source string, always bool) *build {
	t.Helper()
	dir := filepath.Join(s.root, name)
	for file, content := range map[string]string{"go.mod": "module " + name + "\n\ngo 1.26\n", "go.sum": "", "main.go": source} {
		if err := writeFile(filepath.Join(dir, file), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	b := &build{
		name: name, dir: dir, packages: []string{"."}, always: always, usual: time.Minute,
		makes: []string{filepath.Join(s.buildDir, "bin", name+"-1")},
	}
	s.builds = append(s.builds, b)
	return b
}

func TestBuildsWhatIsMissing(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t)
	first := fakeModule(t, s, "first", helloWorld, false)
	second := fakeModule(t, s, "second", helloWorld, true)
	var events recorder
	if err := s.Build(ctx, &events); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(first.makes[0]).CombinedOutput(); err != nil || string(out) != "hello\n" {
		t.Errorf("the binary says %q, %v", out, err)
	}
	begin, end := events.builds[0], events.builds[len(events.builds)-1]
	if begin.Name != "first" || begin.Number != 1 || begin.Of != 2 || begin.Left < 119*time.Second || begin.Left > 2*time.Minute {
		t.Errorf("progress begins with %+v, want two builds of a minute each", begin)
	}
	if end.Name != "second" || !end.Done || !end.Changed || end.Left != 0 {
		t.Errorf("progress ends with %+v", end)
	}
	if times := s.readTimes(); times["first"] <= 0 || times.expected(first) >= time.Minute {
		t.Errorf("times %v, want that of the build", times)
	}

	made, err := os.Stat(second.makes[0])
	if err != nil {
		t.Fatal(err)
	}
	events = recorder{}
	if err := s.Build(ctx, &events); err != nil {
		t.Fatal(err)
	}
	if end := events.builds[len(events.builds)-1]; end.Of != 1 || end.Changed {
		t.Errorf("progress of a build without changes ends with %+v", end)
	}
	if again, err := os.Stat(second.makes[0]); err != nil || !again.ModTime().Equal(made.ModTime()) {
		t.Errorf("a binary that is up to date was replaced, %v", err)
	}

	if err := os.WriteFile(filepath.Join(first.dir, "main.go"), []byte(strings.ReplaceAll(helloWorld, "hello", "goodbye")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Build(ctx, discard{}); err != nil {
		t.Fatal(err)
	}
	if out, _ := exec.Command(first.makes[0]).CombinedOutput(); string(out) != "goodbye\n" {
		t.Errorf("after a change of its source the binary says %q", out)
	}
}

func TestAFailedBuildShowsItsLastLines(t *testing.T) {
	s := fakeStack(t)
	b := fakeModule(t, s, "broken", "package main\n\nfunc main() { undefined() }\n", false)
	err := s.Build(t.Context(), discard{})
	if err == nil || !strings.Contains(err.Error(), "undefined: undefined") || !strings.Contains(err.Error(), "build-broken.log") {
		t.Errorf("error %v, want the compiler's words and the log", err)
	}
	if _, err := os.Stat(b.makes[0]); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is a binary")
	}
}

func TestAnInterruptedBuildLeavesNothing(t *testing.T) {
	s := fakeStack(t)
	b := fakeModule(t, s, "slow", helloWorld, false)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupted := interruptingReporter{interrupt: interrupt}
	if err := s.Build(ctx, interrupted); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if _, err := os.Stat(b.makes[0]); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is a binary")
	}
	if names, err := s.recordNames(); err != nil || len(names) > 0 {
		t.Errorf("pid files of %v are left, %v", names, err)
	}
	if err := s.Build(t.Context(), discard{}); err != nil {
		t.Errorf("the next build: %v", err)
	}
}

type interruptingReporter struct {
	discard
	interrupt func()
}

func (r interruptingReporter) Build(BuildProgress) { r.interrupt() }

func TestATraceIsShownWhileTheRestIsBuilt(t *testing.T) {
	defer func(all []string) { traceable = all }(traceable)
	traceable = []string{"serves"}
	s := fakeStack(t, "serves", "parent")
	s.parts[1].made = fakeModule(t, s, "module", helloWorld, false)

	unlock, err := s.lockBuilds(t.Context(), discard{}) // so that the build waits until the trace is shown
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	err = s.Up(t.Context(), discard{}, UpOptions{Traceable: func(context.Context) {
		shown = true
		if got := states(s); got["serves"] != Running || got["parent"] != Stopped {
			t.Errorf("states %v when the trace can be shown", got)
		}
		unlock()
	}})
	if err != nil || !shown {
		t.Errorf("shown %v, error %v", shown, err)
	}

	shown = false
	err = s.Up(t.Context(), discard{}, UpOptions{Traceable: func(context.Context) { shown = true }})
	if err != nil || shown {
		t.Errorf("with nothing to build: shown %v, error %v", shown, err)
	}
}

func TestConsoleWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	console := NewConsole(&out)
	progress := BuildProgress{Name: "tempo", Number: 2, Of: 3, Left: 4 * time.Minute}
	for _, elapsed := range []time.Duration{0, 10, 29, 31, 59, 62, 65} {
		progress.Elapsed = elapsed * time.Second
		console.Build(progress)
	}
	progress.Done, progress.Changed = true, true
	console.Build(progress)
	console.Part(PartEvent{Part: "tempo", State: Running, Address: "http://127.0.0.1:3200", Elapsed: 1500 * time.Millisecond})
	want := `· building tempo (2 of 3), 31s, about 4m0s left
· building tempo (2 of 3), 1m2s, about 4m0s left
✓ tempo           built (2 of 3) 65.0 s
● tempo           http://127.0.0.1:3200 1.5 s
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestConsoleOnATerminalRedrawsItsLine(t *testing.T) {
	var out bytes.Buffer
	console := NewConsole(&out)
	console.redraw = true
	console.Build(BuildProgress{Name: "tempo", Number: 1, Of: 1, Elapsed: time.Second, Left: time.Minute})
	console.Build(BuildProgress{Name: "tempo", Number: 1, Of: 1, Elapsed: 2 * time.Second})
	console.Note("hello")
	want := "· building tempo, 1s, about 1m0s left\r\x1b[K· building tempo, 2s\r\x1b[K· hello\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
