package evaluate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
)

// meter measures what the parts take from its making to its stop.
type meter struct {
	lab          *lab
	began, ended time.Time
	before       map[string]stack.Usage
	after        map[string]stack.Usage
	diskBefore   map[string]int64
	diskAfter    map[string]int64
	memory       map[string][]uint64

	cancel  context.CancelFunc
	watcher sync.WaitGroup
}

func (l *lab) meter(ctx context.Context) *meter {
	m := &meter{lab: l, memory: map[string][]uint64{}}
	m.before, m.diskBefore = m.look()
	m.began = time.Now()
	ctx, m.cancel = context.WithCancel(ctx)
	m.watcher.Go(func() { m.watch(ctx) })
	return m
}

func (m *meter) look() (map[string]stack.Usage, map[string]int64) {
	usage, disk := map[string]stack.Usage{}, map[string]int64{}
	for _, part := range partsUnderLoad {
		if u, err := m.lab.parts.Usage(part); err == nil {
			usage[part] = u
		}
		if bytes, err := m.lab.parts.DiskUsage(part); err == nil {
			disk[part] = bytes
		}
	}
	return usage, disk
}

// watch looks at the memory each second until ctx ends.
func (m *meter) watch(ctx context.Context) {
	for pause(ctx, time.Second) {
		for _, part := range partsUnderLoad {
			if u, err := m.lab.parts.Usage(part); err == nil {
				m.memory[part] = append(m.memory[part], u.Memory)
			}
		}
	}
}

func (m *meter) stop() {
	m.cancel()
	m.watcher.Wait()
	m.ended = time.Now()
	m.after, m.diskAfter = m.look()
}

func (m *meter) seconds() float64 { return m.ended.Sub(m.began).Seconds() }

// cpu returns the CPU seconds of a part, and whether they are known.
func (m *meter) cpu(part string) (float64, bool) {
	before, known := m.before[part]
	after, still := m.after[part]
	return after.CPUSeconds - before.CPUSeconds, known && still
}

// parts returns what each part took, beside what it takes when idle.
func (m *meter) parts(idle *meter) []result.PartCost {
	var costs []result.PartCost
	for _, part := range partsUnderLoad {
		cost := result.PartCost{Part: part}
		if cpu, ok := m.cpu(part); ok {
			cost.CPUSeconds = &cpu
		}
		if cpu, ok := idle.cpu(part); ok {
			cpu *= m.seconds() / idle.seconds()
			cost.IdleCPUSeconds = &cpu
		}
		if values := m.memory[part]; len(values) > 0 {
			var sum, peak uint64
			for _, v := range values {
				sum, peak = sum+v, max(peak, v)
			}
			mean := sum / uint64(len(values))
			cost.MemoryMeanBytes, cost.MemoryPeakBytes = &mean, &peak
		}
		if before, ok := m.diskBefore[part]; ok {
			if after, ok := m.diskAfter[part]; ok {
				if grown := after - before; grown >= 0 {
					cost.DiskBytes = &grown
				} else { // what lay there before was compacted meanwhile
					cost.DiskNote = fmt.Sprintf("shrank by %d bytes: it had not settled", -grown)
				}
			}
		}
		costs = append(costs, cost)
	}
	return costs
}
