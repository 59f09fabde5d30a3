package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// checkPorts returns an error that names every port that one of the parts is about
// to listen on and a process other than the stack's own holds.
func (s *Stack) checkPorts(ctx context.Context, parts ...*part) error {
	var errs []error
	var holders map[int]int
	for _, p := range parts {
		for _, variable := range p.ports {
			port := s.ports[variable]
			err := s.tryListen(port)
			if err == nil {
				continue
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				errs = append(errs, fmt.Errorf("%s: port %d: %w; move it with %s, or change BIND_HOST", p.name, port, err, variable))
				continue
			}
			if holders == nil {
				holders = listeners(ctx)
			}
			pid := holders[port]
			if s.holds(p, pid) {
				continue
			}
			errs = append(errs, fmt.Errorf("%s: port %d is taken%s: stop what holds it, or set %s to a free port",
				p.name, port, describe(pid), variable))
		}
	}
	return errors.Join(errs...)
}

func (s *Stack) tryListen(port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(s.bindHost, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return listener.Close()
}

// holds tells whether the process belongs to a part of this stack. When the
// system does not tell who listens (pid 0), a running part is taken at its word.
func (s *Stack) holds(p *part, pid int) bool {
	if pid == 0 {
		return s.readRecord(p.name).alive()
	}
	names, _ := s.recordNames() // also of what the stack, with other settings, has no more
	for _, name := range names {
		for _, member := range s.family(s.readRecord(name).identity) {
			if member.PID == pid {
				return true
			}
		}
	}
	return false
}

// UnusedPorts returns a port of its own for each of the variables, on which nothing
// listens and which no part of the stack has.
func (s *Stack) UnusedPorts(variables []string) map[string]int {
	taken := slices.Collect(maps.Values(s.ports))
	ports := map[string]int{}
	for _, variable := range variables {
		for ports[variable] == 0 || slices.Contains(taken, ports[variable]) {
			ports[variable] = UnusedPort()
		}
	}
	return ports
}

// drawn holds the ports that UnusedPort has returned.
var drawn sync.Map

// UnusedPort returns a port of 127.0.0.1 on which nothing listens, and another one each
// time. It lies below the range from which the system takes the ports of outgoing
// connections, so that none of them grabs it before it is used.
func UnusedPort() int {
	for {
		port := 10000 + rand.IntN(22000)
		if _, taken := drawn.LoadOrStore(port, true); taken {
			continue
		}
		if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			_ = listener.Close()
			return port
		}
	}
}

// listeners returns the pid of the process that listens on each TCP port, as far
// as the system tells.
func listeners(ctx context.Context) map[int]int {
	pids := map[int]int{}
	connections, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return pids
	}
	for _, c := range connections {
		if c.Status == "LISTEN" && c.Pid > 0 {
			pids[int(c.Laddr.Port)] = int(c.Pid)
		}
	}
	return pids
}

func describe(pid int) string {
	if pid == 0 {
		return ""
	}
	p := process.Process{Pid: int32(pid)}
	name, err := p.Name()
	if err != nil {
		return fmt.Sprintf(" by pid %d", pid)
	}
	return fmt.Sprintf(" by %s (pid %d)", name, pid)
}
