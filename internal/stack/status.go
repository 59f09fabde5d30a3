package stack

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"throughline/internal/probe"
)

// State is what a part is doing.
type State string

const (
	Starting  State = "starting"  // its process runs, and is not ready yet
	Running   State = "running"   // healthy
	Kept      State = "kept"      // healthy, and was before Up
	Unhealthy State = "unhealthy" // its process runs and does not answer
	Stopped   State = "stopped"   // there is no process
	External  State = "external"  // given by the user, and it answers
	Away      State = "away"      // given by the user, and it does not answer
)

// PartStatus describes a part at one moment.
type PartStatus struct {
	Name    string
	State   State
	Reason  string // why it is unhealthy
	PID     int    // 0 when it does not run
	Address string // without a password
	Version string
	Memory  uint64 // resident set of all its processes, in bytes
	Uptime  time.Duration
}

// Status asks every part how it is, and tells of what else runs of the stack.
func (s *Stack) Status(ctx context.Context) []PartStatus {
	ctx, cancel := context.WithTimeout(ctx, probe.Timeout)
	defer cancel()
	parts := slices.Clone(s.parts)
	others, _ := s.others() // what cannot be read is not shown
	for _, name := range others {
		if s.readRecord(name).alive() {
			parts = append(parts, &part{name: name, ready: func(context.Context) error { return nil }})
		}
	}
	statuses := make([]PartStatus, len(parts))
	var wait sync.WaitGroup
	for i, p := range parts {
		wait.Go(func() { statuses[i] = s.status(ctx, p) })
	}
	wait.Wait()
	return statuses
}

func (s *Stack) status(ctx context.Context, p *part) PartStatus {
	status := PartStatus{Name: p.name, State: Stopped, Address: p.address, Version: p.version}
	if p.external {
		status.State = External
		if err := p.ready(ctx); err != nil {
			status.State, status.Reason = Away, err.Error()
		}
		return status
	}
	r := s.readRecord(p.name)
	if !r.alive() {
		if slices.Contains(s.collectors(), p.name) {
			status.Reason = s.noTelemetry()
		}
		return status
	}
	status.State, status.PID = Running, r.PID
	if r.Version != "" {
		status.Version = r.Version // of what runs, which need not be what would be started now
	}
	if err := p.ready(ctx); err != nil {
		status.State, status.Reason = Unhealthy, err.Error()
	}
	status.Memory = s.usage(r.identity).Memory
	leader := process.Process{Pid: int32(r.PID)}
	if created, err := leader.CreateTime(); err == nil {
		status.Uptime = time.Since(time.UnixMilli(created)).Round(time.Second)
	}
	return status
}
