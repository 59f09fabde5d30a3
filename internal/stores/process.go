package stores

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/probe"
	"throughline/internal/stack"
)

// noAccess is the reason why something of a store cannot be measured.
type noAccess struct{ error }

var (
	errNoAccess = noAccess{errors.New("the list of stores gives no access to it")}
	errVolatile = noAccess{errors.New("it keeps nothing over a restart")}
)

// process is what the evaluation can do with a candidate.
type process struct {
	Candidate
	programs []*stack.Program // those beside it first, its own last; none when it runs already
	dataDir  string
	// maintaining is its own program with maintenance; nil when there is none.
	maintaining *stack.Program
}

// newProcess gives a candidate its ports and its directory.
func newProcess(s *stack.Stack, c Candidate, getenv func(string) (string, bool)) (*process, error) {
	name := "store-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(c.Name))
	p := &process{dataDir: filepath.Join(s.RunDir(), "data", name)}
	known := map[string]string{"DATA_DIR": p.dataDir}
	for store, path := range s.ProgramBinaries() {
		known[strings.ToUpper(store)+"_BIN"] = path
	}
	var err error
	p.Candidate, err = c.expand(func(variable string) (string, bool) {
		if value, ok := known[variable]; ok {
			return value, true
		}
		if value, ok := getenv(variable); ok {
			return value, true
		}
		if !strings.HasSuffix(variable, "_PORT") {
			return "", false
		}
		port := s.UnusedPorts([]string{variable})[variable]
		known[variable] = strconv.Itoa(port)
		return known[variable], true
	})
	if err != nil {
		return nil, err
	}
	grace, err := c.grace()
	if err != nil {
		return nil, err
	}
	program := func(name string, command []string, env map[string]string, ready string) *stack.Program {
		command = slices.Clone(command)
		if path, err := exec.LookPath(command[0]); err == nil { // else its start says what is wrong
			command[0] = path
		}
		options := stack.ProgramOptions{Name: name, Argv: command, Ready: probe.HTTP(ready), Grace: grace}
		for variable, value := range env {
			options.Env = append(options.Env, variable+"="+value)
		}
		slices.Sort(options.Env)
		return s.Program(options)
	}
	for _, b := range p.Beside {
		p.programs = append(p.programs, program(name+"-"+b.Name, b.Command, b.Env, b.Ready))
	}
	if p.ours() {
		p.programs = append(p.programs, program(name, p.Command, p.Env, p.Ready))
	}
	if p.Maintain != nil { // the same program, by the same name
		env := maps.Clone(p.Env)
		maps.Copy(env, p.Maintain.Env)
		p.maintaining = program(name, p.Command, env, p.Ready)
	}
	return p, nil
}

// ours tells whether the evaluation starts and stops the store.
func (p *process) ours() bool { return len(p.Command) > 0 }

func (p *process) own() *stack.Program { return p.programs[len(p.programs)-1] }

// begin starts the store without any data.
func (p *process) begin(ctx context.Context) error {
	if !p.ours() {
		return nil
	}
	if err := p.end(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dataDir, 0o755); err != nil {
		return err
	}
	for _, program := range p.programs {
		if err := program.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end stops the store and removes its data.
func (p *process) end(ctx context.Context) error {
	var errs []error
	for _, program := range slices.Backward(p.programs) {
		errs = append(errs, program.Remove(ctx))
	}
	return errors.Join(append(errs, os.RemoveAll(p.dataDir))...)
}

// restart stops the store, does what is given, if anything, and starts it again. It
// returns how long the start took, until it was ready.
func (p *process) restart(ctx context.Context, between func() error) (time.Duration, error) {
	if !p.ours() {
		return 0, errNoAccess
	}
	if err := p.own().Stop(ctx); err != nil {
		return 0, err
	}
	if between != nil {
		if err := between(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	err := p.own().Start(ctx)
	return time.Since(began), err
}

// usage is what the processes of the store have taken.
func (p *process) usage(ctx context.Context) (stack.Usage, error) {
	if p.ours() {
		var sum stack.Usage
		for _, program := range p.programs {
			u, err := program.Usage()
			if err != nil {
				return stack.Usage{}, err
			}
			sum.CPUSeconds += u.CPUSeconds
			sum.Memory += u.Memory
		}
		return sum, nil
	}
	pid, err := p.pid(ctx)
	if err != nil {
		return stack.Usage{}, err
	}
	return stack.UsageOfTree(pid)
}

// besideCPU are the CPU seconds of the programs beside the store's own.
func (p *process) besideCPU() (seconds float64, err error) {
	for _, program := range p.programs[:len(p.programs)-1] {
		usage, err := program.Usage()
		if err != nil {
			return 0, err
		}
		seconds += usage.CPUSeconds
	}
	return seconds, nil
}

func (p *process) pid(ctx context.Context) (int, error) {
	var text []byte
	var err error
	switch {
	case p.PIDFile != "":
		text, err = os.ReadFile(p.PIDFile)
	case p.Container != "":
		text, err = exec.CommandContext(ctx, "docker", "inspect", "--format", "{{.State.Pid}}", p.Container).Output()
	default:
		return 0, errNoAccess
	}
	if err != nil {
		return 0, fmt.Errorf("the process of %s: %w", p.Name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("the process of %s: %q is no process id", p.Name, text)
	}
	return pid, nil
}

// disk returns the bytes on the disk in data and in buffers.
func (p *process) disk() (data, buffers int64, err error) {
	if len(p.Disk.Data) == 0 {
		return 0, 0, errNoAccess
	}
	if data, err = p.diskOf(p.Disk.Data); err != nil {
		return 0, 0, err
	}
	buffers, err = p.diskOf(p.Disk.Buffers)
	return data, buffers, err
}

func (p *process) diskOf(dirs []string) (sum int64, err error) {
	for _, dir := range dirs {
		n, err := stack.DiskUsageOf(dir, p.Disk.Deleted)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// dropPageCache makes the next reads come from the disk, but for what is not written
// yet. It takes root.
func dropPageCache() error {
	err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1\n"), 0o200)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the page cache cannot be dropped: %w; it takes root", err)
	}
	return err
}

const (
	// quiet is how little of a core a store at rest takes beside what it takes idle.
	quiet = 0.06
	// quietFor is how long it must be so.
	quietFor  = 1500 * time.Millisecond
	quietLook = 250 * time.Millisecond
)

// settle makes the store write what it holds and waits until it has nothing left to
// do, by its own metrics and by its CPU time. idle is what it takes idle, in cores.
func (p *process) settle(ctx context.Context, idle float64, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it had not settled after %s", patience))
	defer cancel()
	if p.Flush != "" {
		// Were Tempo just writing traces to its log, the flush would write others into
		// the same file in turns with it, out of order: to read that takes it minutes.
		if err := p.rest(ctx, idle, 2*quietLook, func(context.Context) (string, error) { return "", nil }); err != nil {
			return err
		}
		if err := get(ctx, p.Flush); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
	}
	return p.rest(ctx, idle, quietFor, p.unfinished)
}

// rest waits until the store takes no more CPU than idle for so long, and until it
// has no more work: unfinished names what is left of that.
func (p *process) rest(ctx context.Context, idle float64, enough time.Duration, unfinished func(context.Context) (string, error)) error {
	if _, err := p.usage(ctx); err != nil {
		return nil // nothing to see of it
	}
	busy := "it is not known why"
	var last stack.Usage
	at, restingSince := time.Time{}, time.Time{}
	for {
		now, err := p.usage(ctx)
		if err != nil {
			return err
		}
		looked := time.Now()
		resting := !at.IsZero()
		if resting {
			cores := (now.CPUSeconds - last.CPUSeconds) / looked.Sub(at).Seconds()
			// The kernel counts in hundredths of a second: one tick is no work.
			if resting = cores <= idle+quiet || now.CPUSeconds-last.CPUSeconds <= 0.0101; !resting {
				busy = fmt.Sprintf("it uses %.2f cores", cores)
			}
		}
		if !resting {
			restingSince = time.Time{}
		} else if restingSince.IsZero() {
			restingSince = at
		}
		if !restingSince.IsZero() && looked.Sub(restingSince) >= enough {
			metric, err := unfinished(ctx) // asked seldom, as the answer is the store's work, too
			if metric == "" && err == nil {
				return nil
			}
			if busy = "its metric " + metric + " is not 0"; err != nil {
				busy = err.Error()
			}
			restingSince = time.Time{}
		}
		last, at = now, looked
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", context.Cause(ctx), busy)
		case <-time.After(quietLook):
		}
	}
}

// unfinished names one of the metrics that tell of work left.
func (p *process) unfinished(ctx context.Context) (string, error) {
	if p.Metrics == "" || len(p.Rest) == 0 {
		return "", nil
	}
	metrics, err := backend.ScrapeMetrics(ctx, p.Name, p.Metrics)
	if err != nil {
		return "", err
	}
	for _, name := range p.Rest {
		if metrics.Sum(name, func(map[string]string) bool { return true }) != 0 {
			return name, nil
		}
	}
	return "", nil
}

// get asks for a URL and expects one of the answers that mean success.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
