package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"throughline/internal/probe"
)

// The test binary plays the parts, and an Up that is killed: FAKE says which.
func TestMain(m *testing.M) {
	switch os.Getenv("FAKE") {
	case "":
		os.Exit(m.Run())
	case "dies":
		fmt.Println("the disk is full")
		os.Exit(3)
	case "dies at first": // as often as DEATHS says
		for n := range strings.Count(os.Getenv("DEATHS"), "+") {
			mark := filepath.Join(os.Getenv(runDirVariable), fmt.Sprintf("death-%d", n))
			if _, err := os.Stat(mark); err != nil {
				_ = os.WriteFile(mark, nil, 0o644)
				fmt.Println("panic: not begun")
				os.Exit(2)
			}
		}
		serve(http.StatusOK)
	case "sick": // runs, and never becomes healthy
		fmt.Println("waiting for a quorum")
		serve(http.StatusServiceUnavailable)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		serve(http.StatusOK)
	case "parent":
		child := exec.Command("sleep", "300")
		if err := child.Start(); err != nil {
			panic(err)
		}
		serve(http.StatusOK)
	case "killed while spawning":
		_, _ = spawn(launch{argv: []string{"touch", os.Getenv("MARK")}, env: os.Environ(), log: os.Stdout}, func(identity) error {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
	case "killed after up":
		s := newFakeStack(os.Getenv("RUN"), fakeParts(os.Getenv("PORTS"), "serves", "parent")...)
		if err := s.Up(context.Background(), discard{}, UpOptions{}); err != nil {
			panic(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	default:
		serve(http.StatusOK)
	}
}

func serve(status int) {
	server := http.Server{
		Addr:    "127.0.0.1:" + os.Getenv("PORT"),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }),
	}
	panic(server.ListenAndServe())
}

// newFakeStack returns a stack whose parts are the test binary.
func newFakeStack(dir string, parts ...*part) *Stack {
	s := &Stack{
		root: dir, runDir: filepath.Join(dir, "run"), buildDir: filepath.Join(dir, "build"),
		bindHost: "127.0.0.1", ports: map[string]int{},
		parts: parts, readyTimeout: 20 * time.Second, children: map[string]*child{},
	}
	for _, p := range parts {
		for _, variable := range p.ports {
			s.ports[variable], _ = strconv.Atoi(strings.TrimPrefix(p.env[1], "PORT="))
		}
	}
	return s
}

// fakeParts returns a part for each kind of behaviour, named after it, on the
// given ports. Each needs the one that follows.
func fakeParts(ports string, kinds ...string) []*part {
	var parts []*part
	for i, port := range strings.Fields(ports)[:len(kinds)] {
		p := &part{
			name:    kinds[i],
			version: "1.0",
			binary:  os.Args[0],
			env:     []string{"FAKE=" + kinds[i], "PORT=" + port},
			ports:   []string{strings.ToUpper(kinds[i]) + "_PORT"},
			address: "127.0.0.1:" + port,
			ready:   probe.HTTP("http://127.0.0.1:" + port + "/"),
			grace:   5 * time.Second,
		}
		if i+1 < len(kinds) {
			p.needs = []string{kinds[i+1]}
		}
		parts = append(parts, p)
	}
	return parts
}

// fakeStack returns a stack in a temporary directory; it is down after the test.
func fakeStack(t *testing.T, kinds ...string) *Stack {
	t.Helper()
	s := newFakeStack(t.TempDir(), fakeParts(freePorts(t, len(kinds)), kinds...)...)
	t.Cleanup(func() {
		if err := s.Down(context.Background(), discard{}, DownOptions{}); err != nil {
			t.Error(err)
		}
	})
	return s
}

func freePorts(t *testing.T, count int) string {
	t.Helper()
	var ports []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports = append(ports, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	return strings.Join(ports, " ")
}

// recorder is a Reporter that remembers.
type recorder struct {
	mu     sync.Mutex
	parts  []string
	builds []BuildProgress
	notes  []string
	onPart func(PartEvent)
}

func (r *recorder) Build(p BuildProgress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.builds = append(r.builds, p)
}

func (r *recorder) Part(e PartEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = append(r.parts, e.Part+" "+string(e.State))
	if r.onPart != nil {
		r.onPart(e)
	}
}

func (r *recorder) Note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, text)
}

func states(s *Stack) map[string]State {
	states := map[string]State{}
	for _, status := range s.Status(context.Background()) {
		states[status.Name] = status.State
	}
	return states
}
