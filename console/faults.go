package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	faultsPath   = apiPath + "faults"
	endFaultPath = faultsPath + "/end"

	shortestFault = 5 * time.Second
	longestFault  = 10 * time.Minute
)

// Faults starts and ends faults by the command throughline, one at a time.
type Faults struct {
	command string // path

	mu      sync.Mutex
	known   []knownFault
	running *runningFault
	failed  string // what the last one said that failed
}

// knownFault is a fault as the command lists it.
type knownFault struct {
	Name string `json:"name"`
	Does string `json:"does"`
	Look string `json:"look"`
}

type runningFault struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`

	process     *os.Process
	interrupted bool
	ended       chan struct{}
}

// NewFaults returns those that the command, the path of throughline, can bring about.
func NewFaults(command string) *Faults { return &Faults{command: command} }

// fromHere tells whether a program of this machine asks, at an address of loopback.
func fromHere(r *http.Request) bool {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(peer) && isLoopback((&url.URL{Host: r.Host}).Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// ServeHTTP answers GET with what there is and what runs, starts a fault by POST, and
// ends the one that runs by POST to endFaultPath. Only the console's own page, opened
// on this machine, may do so. What other sites' pages ask has been refused before.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reading := r.Method == http.MethodGet && r.URL.Path == faultsPath
	switch {
	case f == nil:
		refuse(w, http.StatusNotFound, "faults are not allowed: start the native console with CONSOLE_FAULTS=allow, or use `throughline fault`")
	case !fromHere(r):
		refuse(w, http.StatusForbidden, "faults are started on the console's own machine alone, at 127.0.0.1 or localhost; there, `throughline fault` does it, too")
	case !reading && r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, "%s is not possible here: a fault is started and ended by POST", r.Method)
	case !reading && r.Header.Get("Origin") != "http://"+r.Host: // browsers always send it with a POST
		refuse(w, http.StatusForbidden, "only the console's own page may start a fault; elsewhere use `throughline fault`")
	case reading:
		f.tell(w, http.StatusOK)
	case r.URL.Path == endFaultPath:
		f.interrupt()
		f.tell(w, http.StatusAccepted)
	default:
		f.start(w, r)
	}
}

// tell answers with the faults that there are, the one that runs, and why the last failed.
func (f *Faults) tell(w http.ResponseWriter, status int) {
	known, err := f.list()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "the faults cannot be listed: %v", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	answer(w, status, map[string]any{"faults": known, "running": f.running, "failed": f.failed})
}

func (f *Faults) list() ([]knownFault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known != nil {
		return f.known, nil
	}
	said, err := exec.Command(f.command, "fault", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("%s fault: %w", f.command, err)
	}
	return f.known, json.Unmarshal(said, &f.known)
}

func (f *Faults) start(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Name    string
		Seconds float64
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, `%v: give {"name": "<fault>", "seconds": <how long>}`, err)
		return
	}
	known, err := f.list()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "the faults cannot be listed: %v", err)
		return
	}
	duration := time.Duration(asked.Seconds * float64(time.Second))
	switch {
	case !slices.ContainsFunc(known, func(k knownFault) bool { return k.Name == asked.Name }):
		refuse(w, http.StatusBadRequest, "there is no fault %q: GET %s lists them", asked.Name, faultsPath)
		return
	case duration < shortestFault || duration > longestFault:
		refuse(w, http.StatusBadRequest, "a fault of %v s: give %v to %v", asked.Seconds, shortestFault, longestFault)
		return
	}
	if err := f.run(asked.Name, duration); err != nil {
		refuse(w, http.StatusConflict, "%v", err)
		return
	}
	f.tell(w, http.StatusAccepted)
}

// run starts the command. It is a process of its own: the parts that it starts again
// are not the console's children, which would end with it.
func (f *Faults) run(name string, duration time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return fmt.Errorf("%s goes on until %s: end it first", f.running.Name, f.running.Until.Format(time.TimeOnly))
	}
	var said bytes.Buffer
	command := exec.Command(f.command, "fault", name, "--duration", duration.String())
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s: %w", f.command, err)
	}
	running := &runningFault{Name: name, Until: time.Now().Add(duration), process: command.Process, ended: make(chan struct{})}
	f.running, f.failed = running, ""
	go func() {
		err := command.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.running = nil; err != nil {
			f.failed = cmp.Or(strings.TrimSpace(lastLine(said.String())), err.Error())
		}
		close(running.ended)
	}()
	return nil
}

// lastLine is where the command says what went wrong; before it are progress and notes.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	if at := strings.LastIndex(text, "throughline: "); at >= 0 {
		return text[at:]
	}
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// End ends the fault that runs, if one does, and returns when everything is put back.
func (f *Faults) End() {
	if f == nil {
		return
	}
	if running := f.interrupt(); running != nil {
		<-running.ended
	}
}

// interrupt tells the fault that runs to end, and returns it; nil when none does.
func (f *Faults) interrupt() *runningFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil && !f.running.interrupted { // a second signal would end the command at once
		f.running.interrupted = true
		_ = f.running.process.Signal(os.Interrupt)
	}
	return f.running
}
