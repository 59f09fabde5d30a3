package stack

import (
	"context"
	"fmt"
	"log"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/shirou/gopsutil/v4/disk"

	"throughline/internal/logfile"
	"throughline/internal/probe"
)

const (
	supervisor = "supervisor"
	// A part that it starts when it is stopped is stopped first.
	supervisorGrace = readyTimeout

	superviseInterval = 2 * time.Second
	// A part that runs and is at no look healthy for so long is taken for one that has
	// ended: Tempo goes on without its ingester when a page asks for /shutdown.
	healthInterval = 10 * time.Second
	longestSick    = 3 * healthInterval
	// A part that ends again and again is started after waits that double, from the
	// first to the longest; one that ran for steady begins anew.
	firstRestartWait   = time.Second
	longestRestartWait = time.Minute
	steady             = 10 * time.Minute
)

// supervisorPart runs [Stack.Supervise]; nil where SUPERVISE=off.
func (s *Stack) supervisorPart(env *environment, parts []*part) *part {
	if !env.onOff("SUPERVISE", true) {
		return nil
	}
	p := &part{
		name:     supervisor,
		version:  "source",
		optional: true,
		binary:   env.throughline(),
		args:     []string{"supervise"},
		address:  s.display(s.logFile(supervisor)), // nobody dials it
		ready:    func(context.Context) error { return nil },
		grace:    supervisorGrace,
	}
	for _, other := range parts {
		if !other.external {
			p.needs = append(p.needs, other.name)
		}
	}
	p.env = env.all()
	return p
}

// Supervise looks after the running stack until ctx ends. A part whose process ends
// though nobody stopped it, or that has not been healthy for half a minute, is started
// again by start, after waits that grow when that comes again. While less of the disk
// is free than DISK_RESERVE the collector is stopped: telemetry must not fill the disk
// on which RabbitMQ takes logins. Large logs are set aside. What it does is logged.
//
// A part that start starts must not become a child of this process: it would end
// with it.
func (s *Stack) Supervise(ctx context.Context, start func(ctx context.Context, part string) error) {
	go logfile.Watch(ctx, filepath.Dir(s.logFile("any")))
	v := supervision{Stack: s, start: start, restarts: map[string]restart{}, sick: map[string]time.Time{}}
	for ticker := time.NewTicker(superviseInterval); ; {
		v.keepDiskFree(ctx)
		v.stopSick(ctx)
		v.startAgain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

type supervision struct {
	*Stack
	start    func(ctx context.Context, part string) error
	restarts map[string]restart
	stopped  []string // for want of disk

	looked time.Time            // at the health of all
	sick   map[string]time.Time // since when
}

// restart is the last time that a part was started again.
type restart struct {
	at   time.Time
	wait time.Duration // before the next
	due  bool          // it is to be started, though it has no pid file
}

// toStart tells whether the part of the record has ended by itself, or is due.
func (last restart) toStart(r record) bool { return !r.alive() && (r.PID != 0 || last.due) }

// stopSick stops what has not been healthy for too long; startAgain then starts it.
// Nodes of RabbitMQ are not asked: each question is a connection in their logs and
// metrics.
func (v *supervision) stopSick(ctx context.Context) {
	if time.Since(v.looked) < healthInterval {
		return
	}
	v.looked = time.Now()
	if v.busy() {
		clear(v.sick)
		return
	}
	for _, p := range v.parts {
		if slices.Contains(brokerNodes, p.name) || p.external {
			continue
		}
		if !v.readRecord(p.name).alive() {
			delete(v.sick, p.name)
			continue
		}
		asking, cancel := context.WithTimeout(ctx, probe.Timeout)
		err := p.ready(asking)
		cancel()
		since, known := v.sick[p.name]
		switch {
		case err == nil || ctx.Err() != nil:
			delete(v.sick, p.name)
		case !known:
			v.sick[p.name] = time.Now()
		case time.Since(since) >= longestSick:
			if v.stop(ctx, p.name, fmt.Sprintf("has not been healthy for %.0f s: %v", time.Since(since).Seconds(), err)) {
				delete(v.sick, p.name)
				last := v.restarts[p.name]
				last.due = true
				v.restarts[p.name] = last
			}
		}
	}
}

// startAgain starts the parts that have ended by themselves: whoever stops one
// removes its pid file.
func (v *supervision) startAgain(ctx context.Context) {
	for _, p := range v.parts {
		r, last := v.readRecord(p.name), v.restarts[p.name]
		if r.alive() && last.due { // somebody else has started it
			last.due = false
			v.restarts[p.name] = last
		}
		if p.name == supervisor || !last.toStart(r) || time.Since(last.at) < last.wait {
			continue
		}
		unlock, err := v.Lock()
		if err != nil {
			continue
		}
		r = v.readRecord(p.name) // whoever was stopping it has removed it by now
		unlock()
		if !last.toStart(r) {
			continue
		}
		if last.wait = min(2*last.wait, longestRestartWait); last.wait == 0 || time.Since(last.at) > steady {
			last.wait = firstRestartWait
		}
		if r.PID != 0 {
			log.Printf("%s has ended, and nobody stopped it: it is started again; %s may say why", p.name, v.display(v.logFile(p.name)))
		}
		last.due = !v.bringBack(ctx, p.name)
		last.at = time.Now()
		v.restarts[p.name] = last
	}
}

// busy tells whether another process starts and stops parts, and looks after them.
func (v *supervision) busy() bool {
	unlock, err := v.Lock()
	if err == nil {
		unlock()
	}
	return err != nil
}

func (v *supervision) bringBack(ctx context.Context, name string) (ok bool) {
	begin := time.Now()
	if err := v.start(ctx, name); err != nil {
		log.Printf("%s does not run: %v", name, err)
		return false
	}
	log.Printf("%s runs again after %.1f s", name, time.Since(begin).Seconds())
	return true
}

// keepDiskFree stops the collectors while the disk is short, and starts them again
// when there is room for half as much again.
func (v *supervision) keepDiskFree(ctx context.Context) {
	free, err := v.freeDisk()
	switch {
	case err != nil:
		log.Print("free disk: ", err)
	case free < v.diskReserve:
		for _, name := range v.collectors() {
			if v.readRecord(name).alive() && v.stop(ctx, name, v.diskIsShort(free)) {
				v.stopped = append(v.stopped, name)
			}
		}
	case free >= v.diskReserve+v.diskReserve/2 && len(v.stopped) > 0 && !v.busy():
		v.stopped = slices.DeleteFunc(v.stopped, func(name string) bool {
			return v.readRecord(name).alive() || v.bringBack(ctx, name)
		})
	}
}

// stop stops a part, unless somebody works on the stack, who looks after it.
func (v *supervision) stop(ctx context.Context, name, why string) (stopped bool) {
	unlock, err := v.Lock()
	if err != nil {
		return false
	}
	defer unlock()
	log.Printf("%s is stopped: %s", name, strings.Join(strings.Fields(why), " ")) // what a part answers has lines
	if err := v.Stop(ctx, name); err != nil {
		log.Print(err)
		return false
	}
	return true
}

// collectors are the parts by which telemetry comes to the stores.
func (s *Stack) collectors() []string {
	if s.sampling {
		return append([]string{firstTier}, samplers...)
	}
	return []string{firstTier}
}

// freeDisk is what an ordinary user may still write where data and logs lie, in bytes.
func (s *Stack) freeDisk() (uint64, error) {
	usage, err := disk.Usage(s.runDir)
	if err != nil {
		return 0, err
	}
	return usage.Free, nil
}

// diskIsShort words that less is free than the reserve.
func (s *Stack) diskIsShort(free uint64) string {
	return fmt.Sprintf("%s free on the disk of %s, and DISK_RESERVE is %s, so that telemetry stops before logins do (docs/security.md#disk)",
		units.HumanSize(float64(free)), s.display(s.runDir), units.HumanSize(float64(s.diskReserve)))
}

// noTelemetry says why the supervisor keeps the collectors stopped; "" when it does not.
func (s *Stack) noTelemetry() string {
	free, err := s.freeDisk()
	if _, unsupervised := s.part(supervisor); unsupervised != nil || err != nil || free >= s.diskReserve {
		return ""
	}
	return s.diskIsShort(free)
}

// tellDiskShort tells of a collector that will not run for long.
func (s *Stack) tellDiskShort(reporter Reporter) {
	if why := s.noTelemetry(); why != "" {
		reporter.Note(why + ": the collector is stopped until there is room")
	}
}

// supervisorWorks tells whether the supervisor, or what it has started, took the lock last.
func (s *Stack) supervisorWorks() bool {
	holder := newLock(s.runDir).holder()
	return slices.ContainsFunc(s.family(s.readRecord(supervisor).identity), func(id identity) bool {
		return strings.HasSuffix(holder, fmt.Sprintf("(pid %d)", id.PID))
	})
}
