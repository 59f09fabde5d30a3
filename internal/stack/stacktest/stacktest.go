// Package stacktest runs a stack of its own for tests, beside one that may be
// running: on free ports and in a temporary directory. It shares the binaries.
package stacktest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"throughline/internal/stack"
)

// Main ends a TestMain: it runs the tests by run, says what went wrong beside them, and
// exits.
func Main(m *testing.M, run func(*testing.M) (status int, err error)) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// Environment answers for the environment variables of a test's stack. Every
// port is a free one, chosen when it is first asked for.
type Environment struct {
	// Set overrides single variables.
	Set map[string]string

	mu    sync.Mutex
	ports map[string]int
}

// Getenv is what [stack.New] asks.
func (e *Environment) Getenv(name string) string {
	if value, ok := e.Set[name]; ok {
		return value
	}
	if !strings.HasSuffix(name, "_PORT") {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ports == nil {
		e.ports = map[string]int{}
	}
	if e.ports[name] == 0 {
		e.ports[name] = stack.UnusedPort()
	}
	return strconv.Itoa(e.ports[name])
}

// Environ returns what Getenv answers, NAME=value, for a program that is to find the
// stack: of the ports, those that have been asked for.
func (e *Environment) Environ() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var env []string
	for name, port := range e.ports {
		env = append(env, name+"="+strconv.Itoa(port))
	}
	for name, value := range e.Set {
		env = append(env, name+"="+value)
	}
	return env
}

// New makes a stack in a new temporary directory. The caller removes the
// directory, [stack.Stack.RunDir], when the stack is down.
func New(e *Environment) (*stack.Stack, error) {
	dir, err := os.MkdirTemp("", "throughline-")
	if err != nil {
		return nil, fmt.Errorf("make a run directory: %w", err)
	}
	if e.Set == nil {
		e.Set = map[string]string{}
	}
	e.Set["THROUGHLINE_RUN_DIR"] = dir
	if e.Set["SUPERVISE"] == "" {
		e.Set["SUPERVISE"] = "off" // tests kill parts without the lock that a person's command takes
	}
	for _, shared := range []string{"THROUGHLINE_BUILD_DIR", "COLLECTOR_BIN", "TEMPO_BIN", "JAEGER_BIN", "RABBITMQ_BIN"} {
		if _, set := e.Set[shared]; !set {
			e.Set[shared] = os.Getenv(shared)
		}
	}
	s, err := stack.New("", e.Getenv)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return s, nil
}

// TakenPorts lists those of the chosen ports on which something listens, with
// the variables that moved them.
func (e *Environment) TakenPorts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var taken []string
	for name, port := range e.ports {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			taken = append(taken, name+"="+strconv.Itoa(port))
			continue
		}
		_ = listener.Close()
	}
	return taken
}
