package stack

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"throughline/internal/probe"
)

// Program is a process that runs beside the parts for a while: a collector or a
// store that is measured. One that is never stopped is stopped by Down.
type Program struct {
	stack *Stack
	part  part
}

// ProgramOptions say what to run.
type ProgramOptions struct {
	// Name is unlike that of any part; the log and the data directory have it, too.
	Name string
	Argv []string
	// Env are variables, NAME=value, beside the few that every process gets.
	Env   []string
	Ready probe.Probe
	// Grace is the time from SIGTERM to SIGKILL.
	Grace time.Duration
}

// Program describes a program, which Start starts.
func (s *Stack) Program(o ProgramOptions) *Program {
	return &Program{stack: s, part: part{name: o.Name, binary: o.Argv[0], args: o.Argv[1:], env: o.Env, ready: o.Ready, grace: o.Grace}}
}

// Start starts the program and returns when it is ready. It is kept when it runs.
func (p *Program) Start(ctx context.Context) error {
	_, err := p.stack.ensure(ctx, &p.part, discard{})
	return err
}

// Stop ends the program: SIGTERM first. Kill ends it by SIGKILL at once. Both keep
// its data, and do nothing when it does not run.
func (p *Program) Stop(ctx context.Context) error {
	return p.stack.stop(ctx, p.part.name, p.part.grace)
}

// Kill is described at Stop.
func (p *Program) Kill(ctx context.Context) error { return p.stack.stop(ctx, p.part.name, 0) }

// Usage returns what the program has taken. The error says that it does not run.
func (p *Program) Usage() (Usage, error) { return p.stack.usageOf(p.part.name) }

// DataDir is a directory for the program's data.
func (p *Program) DataDir() string { return p.stack.dataDir(p.part.name) }

// Remove stops the program and removes its data.
func (p *Program) Remove(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	return os.RemoveAll(p.DataDir())
}

// Pause stops every part that runs, and returns what starts them again as they
// were, nil when none ran. What it has stopped and nobody resumes, Up starts.
func (s *Stack) Pause(ctx context.Context) (resume func(context.Context) error, err error) {
	var names []string
	for _, p := range s.parts {
		if !p.external && s.readRecord(p.name).alive() {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	resume = func(ctx context.Context) error {
		for _, p := range slices.Backward(s.parts) { // users last
			if slices.Contains(names, p.name) {
				if _, err := s.ensure(ctx, p, discard{}); err != nil {
					return fmt.Errorf("%w; `make up` starts what is missing", err)
				}
			}
		}
		return nil
	}
	return resume, s.stopAll(ctx, names, discard{})
}

// ProgramBinaries returns the paths of the programs that BuildPrograms makes: of the
// stores (jaeger, tempo, loki, prometheus), of minio, in which some of them may keep
// their data, and of promtool, with which the tests check Prometheus' rules.
func (s *Stack) ProgramBinaries() map[string]string {
	paths := map[string]string{}
	for _, b := range s.programs {
		paths[b.name] = b.binary
	}
	return paths
}

// BuildPrograms builds those of the named programs that are missing.
func (s *Stack) BuildPrograms(ctx context.Context, reporter Reporter, names ...string) error {
	var missing []*build
	for _, b := range s.programs {
		if b.build == nil || !slices.Contains(names, b.name) {
			continue
		}
		upToDate, err := b.build.upToDate()
		if err != nil {
			return err
		}
		if !upToDate {
			missing = append(missing, b.build)
		}
	}
	return s.runBuilds(ctx, missing, reporter, func(*build) {})
}
