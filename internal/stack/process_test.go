package stack

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"throughline/internal/logfile"
)

func TestARecycledPidIsAStranger(t *testing.T) {
	stranger := exec.Command("sleep", "300")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	}()
	id, err := identify(stranger.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !id.alive() {
		t.Fatal("the process itself is not recognised")
	}

	s := fakeStack(t, "serves")
	earlier := identity{PID: id.PID, Started: id.Started - time.Hour.Milliseconds()}
	if err := s.writeRecord("serves", record{identity: earlier}); err != nil {
		t.Fatal(err)
	}
	if got := states(s); got["serves"] != Stopped {
		t.Errorf("states %v, want stopped", got)
	}
	if err := s.Down(t.Context(), discard{}, DownOptions{}); err != nil {
		t.Fatal(err)
	}
	if !id.alive() {
		t.Error("a stranger was killed")
	}
}

func TestNoProcessWithoutARecord(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	diskFull := errors.New("disk full")
	_, err := spawn(launch{argv: []string{"touch", mark}, log: os.Stdout}, func(identity) error { return diskFull })
	if !errors.Is(err, diskFull) {
		t.Errorf("error %v, want %v", err, diskFull)
	}
	killed := exec.Command(os.Args[0])
	killed.Env = append(os.Environ(), "FAKE=killed while spawning", "MARK="+mark)
	// Its standard output ends when the last process that holds it has ended.
	if _, err := killed.Output(); err == nil {
		t.Error("the other process was not killed")
	}
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Error("a process ran that nobody had on record")
	}
}

func TestLargeLogsAreSetAside(t *testing.T) {
	s := fakeStack(t, "serves")
	path := s.logFile("serves")
	if err := writeFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, logfile.MaxSize+1); err != nil {
		t.Fatal(err)
	}
	log, err := s.openLog("serves")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if info, err := log.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the log has %d bytes, %v; want a new one", info.Size(), err)
	}

	// It grows while its part runs, and is cut under it.
	begin := []byte("begin\n")
	if _, err := log.Write(append(begin, make([]byte, logfile.MaxSize)...)); err != nil {
		t.Fatal(err)
	}
	offset := int64(logfile.MaxSize)
	if err := logfile.Rotate(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString("goes on\n"); err != nil {
		t.Fatal(err)
	}
	aside, err := os.ReadFile(path + ".1")
	if err != nil || !bytes.HasPrefix(aside, begin) || len(aside) != len(begin)+logfile.MaxSize {
		t.Errorf("%d bytes are set aside, %v", len(aside), err)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it has the mode %v, %v; want the owner's alone", info.Mode(), err)
	}
	if lines := lastLines(path, offset, 20); !slices.Equal(lines, []string{"goes on"}) {
		t.Errorf("the log ends with %q", lines)
	}
	if err := logfile.Rotate(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(path); err != nil || string(left) != "goes on\n" {
		t.Errorf("a small log was cut: %q, %v", left, err)
	}
	if _, err := os.Stat(path + ".1"); err != nil {
		t.Error(err)
	}
}

func TestPartsDoNotInheritTheUsersSettings(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "shell")
	t.Setenv("RABBITMQ_NODENAME", "rabbit@elsewhere")
	s := fakeStack(t)
	for _, variable := range s.baseEnv() {
		if strings.HasPrefix(variable, "OTEL_") || strings.HasPrefix(variable, "RABBITMQ_") {
			t.Errorf("%s is passed on", variable)
		}
	}
}
