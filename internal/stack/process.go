package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sys/unix"

	"throughline/internal/logfile"
)

// pollInterval is how often a condition that cannot be waited on is looked at.
const pollInterval = 50 * time.Millisecond

// identity names one process for good: a recycled pid has another start time.
type identity struct {
	PID int `json:"pid"`
	// Started is when the process started, in milliseconds after the machine did:
	// a time of day would move whenever the clock is set.
	Started int64 `json:"startedAfterBootMs"`
	// Boot is the kernel's id of the boot; empty in a record of an older version.
	Boot string `json:"boot,omitempty"`
}

// bootID is the kernel's id of this boot; empty where there is none.
var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})

// startTolerance, in milliseconds, covers the rounding of the boot time, which is
// known in seconds and enters four times.
const startTolerance = 2500

func identify(pid int) (identity, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return identity{}, err
	}
	started, err := startedAfterBoot(p)
	return identity{PID: pid, Started: started, Boot: bootID()}, err
}

func startedAfterBoot(p *process.Process) (int64, error) {
	created, err := p.CreateTime()
	if err != nil {
		return 0, err
	}
	boot, err := host.BootTime()
	if err != nil {
		return 0, err
	}
	return created - int64(boot)*1000, nil
}

// alive tells whether this very process runs. A zombie does not.
func (id identity) alive() bool {
	if id.PID <= 0 || id.Boot != "" && id.Boot != bootID() {
		return false
	}
	if !runs(id.PID) {
		return false
	}
	p, err := process.NewProcess(int32(id.PID))
	if err != nil {
		return false
	}
	started, err := startedAfterBoot(p)
	return err == nil && max(started-id.Started, id.Started-started) < startTolerance
}

// child is a process that this process started.
type child struct {
	identity
	exited chan struct{} // closed when it has ended and err is set
	err    error
}

// launch is what spawn needs to know of a process.
type launch struct {
	argv []string
	env  []string
	dir  string
	log  *os.File
}

// spawn starts a process in a session of its own, so that neither the terminal's
// signals nor our end reach it.
//
// It starts as a shell that waits for a line before it becomes the process, and
// remember is called in between: if we are killed before the process is on
// record, the shell reads the end of the file and there is no process.
func spawn(l launch, remember func(identity) error) (*child, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `read -r go && exec "$@" </dev/null`, "sh"}, l.argv...)...)
	cmd.Env, cmd.Dir = l.env, l.dir
	cmd.Stdout, cmd.Stderr = l.log, l.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	gate, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{exited: make(chan struct{})}
	c.identity, err = identify(cmd.Process.Pid)
	if err == nil {
		err = remember(c.identity)
	}
	if err == nil {
		_, err = io.WriteString(gate, "go\n")
	}
	gate.Close()
	go func() {
		c.err = cmd.Wait()
		close(c.exited)
	}()
	if err != nil {
		<-c.exited
		return nil, err
	}
	return c, nil
}

// family returns the process, everything else in its session, and the descendants
// of all these, also when the process itself is gone. Nothing is returned when its
// pid now belongs to a stranger.
func (s *Stack) family(id identity) []identity {
	if id.PID <= 0 {
		return nil
	}
	leads := id.alive()
	if !leads && runs(id.PID) {
		return nil
	}
	pids, err := process.Pids()
	if err != nil {
		return nil
	}
	var family []identity
	members := map[int32]bool{}
	add := func(pid int32) {
		members[pid] = true
		if member, err := identify(int(pid)); err == nil {
			family = append(family, member)
		}
	}
	parents := map[int32]int32{}
	for _, pid := range pids {
		p := &process.Process{Pid: pid}
		if parent, err := p.Ppid(); err == nil && runs(int(pid)) {
			parents[pid] = parent
		}
		if session, err := unix.Getsid(int(pid)); err != nil || session != id.PID {
			continue
		}
		// Without its leader, the number of a session could be another's by now.
		if leads || s.isOurs(p) {
			add(pid)
		}
	}
	for grown := true; grown; { // pids wrap around: a child may come before its parent
		grown = false
		for pid, parent := range parents {
			if !members[pid] && members[parent] {
				add(pid)
				grown = true
			}
		}
	}
	return family
}

func (s *Stack) isOurs(p *process.Process) bool {
	environment, err := p.Environ()
	return err == nil && slices.Contains(environment, runDirVariable+"="+s.runDir)
}

// runs tells whether there is a process of that pid. A zombie counts only while
// it has other threads: they hold its ports to the last.
func runs(pid int) bool {
	p := process.Process{Pid: int32(pid)}
	status, err := p.Status()
	if err != nil || !slices.Contains(status, process.Zombie) {
		return err == nil
	}
	threads, err := p.NumThreads()
	return err == nil && threads > 1
}

// terminate stops the process: SIGTERM first, SIGKILL after grace or when ctx
// ends. Nothing of its family is left behind.
func (s *Stack) terminate(ctx context.Context, id identity, grace time.Duration) error {
	family := s.family(id)
	if grace > 0 && id.alive() {
		if err := syscall.Kill(id.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("SIGTERM to pid %d: %w", id.PID, err)
		}
		patience, cancel := context.WithTimeout(ctx, grace)
		_ = waitUntil(patience, func() bool { return !id.alive() })
		cancel()
	}
	family = append(family, s.family(id)...)
	for _, member := range family {
		if member.alive() {
			_ = syscall.Kill(member.PID, syscall.SIGKILL)
		}
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if waitUntil(patience, func() bool { return !slices.ContainsFunc(family, identity.alive) }) != nil {
		return fmt.Errorf("pid %d does not end, not even by SIGKILL", id.PID)
	}
	return nil
}

// waitUntil looks at condition until it holds or ctx ends.
func waitUntil(ctx context.Context, condition func() bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// runDirVariable is also how a process is known as one of this stack.
const runDirVariable = "THROUGHLINE_RUN_DIR"

// baseEnv returns what every process gets. It is little on purpose: how a part
// behaves must not depend on whatever else is set in the user's shell, such as
// OTEL_SERVICE_NAME or RABBITMQ_NODENAME.
func (s *Stack) baseEnv() []string {
	env := []string{runDirVariable + "=" + s.runDir}
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// openLog opens the log of a part or build to append to it. A large one is set
// aside first, in place of the one that was set aside before.
func (s *Stack) openLog(name string) (*os.File, error) {
	path := s.logFile(name)
	if err := privateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > logfile.MaxSize {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// privateDir makes a directory that only its owner can look into, also of one that
// was made otherwise: data and logs are nobody else's business.
func privateDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700)
}

// lastLines returns the last lines of a file, from offset on.
func lastLines(path string, offset int64, count int) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if end, err := file.Seek(0, io.SeekEnd); err == nil {
		if offset > end { // the log was cut
			offset = 0
		}
		// Lines are short; what does not fit is not what a person reads first.
		_, _ = file.Seek(max(offset, end-64<<10), io.SeekStart)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-count):]
}
