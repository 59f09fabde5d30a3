package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// build makes the binaries of one or several parts by one run of the Go tool.
type build struct {
	name     string
	dir      string // of the Go module
	packages []string
	makes    []string // one path for each package
	flags    []string // of the Go tool, beside the usual ones
	always   bool     // part of the source tree: the Go tool knows best whether it is up to date
	// before makes what is embedded; may be nil.
	before func(ctx context.Context, reporter Reporter, tick func()) error
	usual  time.Duration
}

// BuildProgress tells how far the builds are.
type BuildProgress struct {
	Name    string // what is being built
	Number  int    // it is the Number-th of Of
	Of      int
	Elapsed time.Duration // since this build began
	// Left is the time expected for this and the following builds, from past ones.
	Left time.Duration
	Done bool
	// Changed tells, at the end, whether there is a new binary.
	Changed bool
}

// buildRecord is the name under which a running build has its pid file.
const buildRecord = "build"

// missing returns the builds that have something to do.
func (s *Stack) missing() ([]*build, error) {
	var missing []*build
	for _, b := range s.builds {
		upToDate, err := b.upToDate()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.name, err)
		}
		if !upToDate {
			missing = append(missing, b)
		}
	}
	return missing, nil
}

// runBuilds runs the builds, one at a time, and calls built after each.
func (s *Stack) runBuilds(ctx context.Context, builds []*build, reporter Reporter, built func(*build)) error {
	if len(builds) == 0 {
		return nil
	}
	unlock, err := s.lockBuilds(ctx, reporter)
	if err != nil {
		return err
	}
	defer unlock()
	times := s.readTimes()
	for i, b := range builds {
		progress := BuildProgress{Name: b.name, Number: i + 1, Of: len(builds)}
		var after time.Duration
		for _, later := range builds[i+1:] {
			after += times.expected(later)
		}
		start := time.Now()
		report := func(done, changed bool) {
			progress.Elapsed, progress.Done, progress.Changed = time.Since(start), done, changed
			progress.Left = max(0, times.expected(b)-progress.Elapsed) + after
			reporter.Build(progress)
		}
		changed, err := s.runBuild(ctx, b, reporter, func() { report(false, false) })
		if err != nil {
			return err
		}
		times[b.name] = time.Since(start).Seconds()
		if err := s.writeTimes(times); err != nil {
			return err
		}
		report(true, changed)
		built(b)
	}
	return nil
}

// runBuild runs one build, calling tick about each second, and tells whether it
// made a new binary. Stopped half-way, it leaves no binary, and what is compiled
// stays in the Go tool's cache.
func (s *Stack) runBuild(ctx context.Context, b *build, reporter Reporter, tick func()) (bool, error) {
	// Another process that held the lock may have built it.
	if upToDate, err := b.upToDate(); err != nil || upToDate {
		return false, err
	}
	inputs, err := b.inputs()
	if err != nil {
		return false, err
	}
	if b.before != nil {
		if err := b.before(ctx, reporter, tick); err != nil {
			return false, err
		}
	}
	// The Go tool writes into a directory of its own, which it knows again:
	// what is up to date there is not linked anew.
	stage := filepath.Join(s.buildDir, "stage", b.name)
	for _, dir := range []string{stage, filepath.Join(s.buildDir, "bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
	}
	output := stage + string(filepath.Separator)
	if len(b.makes) == 1 {
		output += filepath.Base(b.makes[0])
	}
	argv := slices.Concat([]string{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", output}, b.flags, b.packages)
	if err := s.runTool(ctx, "build-"+b.name, buildRecord, argv, b.dir, tick); err != nil {
		return false, fmt.Errorf("build of %s: %w", b.name, err)
	}
	changed := false
	for _, made := range b.makes {
		staged := filepath.Join(stage, filepath.Base(made))
		same, err := sameContent(staged, made)
		if err != nil {
			return false, err
		}
		if same {
			continue
		}
		changed = true
		if err := copyExecutable(staged, made); err != nil {
			return false, err
		}
	}
	if !b.always {
		// Large, and not needed again until the version changes.
		if err := os.RemoveAll(stage); err != nil {
			return false, err
		}
		if err := writeFile(b.inputsFile(), []byte(inputs)); err != nil {
			return false, err
		}
	}
	return changed, nil
}

// runTool runs a command to its end, with its output in a log.
func (s *Stack) runTool(ctx context.Context, logName, recordName string, argv []string, dir string, tick func()) error {
	log, err := s.openLog(logName)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := log.Truncate(0); err != nil {
		return err
	}
	// Without cgo, a build does not depend on the machine's C compiler.
	env := append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	tool, err := spawn(launch{argv, env, dir, log}, func(id identity) error {
		return s.writeRecord(recordName, record{identity: id})
	})
	if err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		tick()
		select {
		case <-ctx.Done():
			if err := s.terminate(context.WithoutCancel(ctx), tool.identity, 2*time.Second); err != nil {
				return err
			}
			return errors.Join(ctx.Err(), s.removeRecord(recordName))
		case <-tool.exited:
			if tool.err != nil {
				path := s.logFile(logName)
				return &Failure{Reason: "failed: " + tool.err.Error(), Log: s.display(path), LastLines: lastLines(path, 0, 20)}
			}
			return s.removeRecord(recordName)
		case <-ticker.C:
		}
	}
}

func (b *build) upToDate() (bool, error) {
	if b.always {
		return false, nil
	}
	for _, made := range b.makes {
		if executable(made) != nil {
			return false, nil
		}
	}
	recorded, err := os.ReadFile(b.inputsFile())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	inputs, err := b.inputs()
	return string(recorded) == inputs, err
}

func (b *build) inputsFile() string { return b.makes[0] + ".inputs" }

// inputs returns a hash of what the module says: its pinned dependencies and its sources.
func (b *build) inputs() (string, error) {
	if b.always {
		return "", nil
	}
	files := []string{filepath.Join(b.dir, "go.mod"), filepath.Join(b.dir, "go.sum")}
	sources, err := filepath.Glob(filepath.Join(b.dir, "*.go"))
	if err != nil {
		return "", err
	}
	slices.Sort(sources)
	hash := sha256.New()
	for _, file := range append(files, sources...) {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s\x00%d\x00%s", filepath.Base(file), len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func sameContent(a, b string) (bool, error) {
	files := [2]*os.File{}
	for i, path := range []string{a, b} {
		file, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) && i == 1 {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer file.Close()
		files[i] = file
	}
	var buffers [2][1 << 20]byte
	for {
		n, err := io.ReadFull(files[0], buffers[0][:])
		m, _ := io.ReadFull(files[1], buffers[1][:])
		if n != m || !bytes.Equal(buffers[0][:n], buffers[1][:m]) {
			return false, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// copyExecutable puts the file in its place whole: a process that runs what was
// there before is not touched, and half of a file is never there to be run.
func copyExecutable(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	temporary := to + ".new"
	target, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	return os.Rename(temporary, to)
}

// buildTimes holds how long each build took last, in seconds.
type buildTimes map[string]float64

func (t buildTimes) expected(b *build) time.Duration {
	if seconds, known := t[b.name]; known {
		return time.Duration(seconds * float64(time.Second))
	}
	return b.usual
}

func (s *Stack) timesFile() string { return filepath.Join(s.buildDir, "times.json") }

// readTimes returns what is known; nothing depends on it but an estimate.
func (s *Stack) readTimes() buildTimes {
	times := buildTimes{}
	if data, err := os.ReadFile(s.timesFile()); err == nil {
		_ = json.Unmarshal(data, &times)
	}
	return times
}

func (s *Stack) writeTimes(times buildTimes) error {
	data, err := json.MarshalIndent(times, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.timesFile(), append(data, '\n'))
}
