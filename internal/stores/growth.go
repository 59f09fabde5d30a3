package stores

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"gonum.org/v1/gonum/stat"

	"throughline/internal/evaluate/result"
)

// growth fills an empty store, size by size, and asks it at each.
func (m *measurement) growth(ctx context.Context) error {
	if err := m.process.begin(ctx); err != nil {
		return err
	}
	if err := m.renew(); err != nil {
		return err
	}
	if !m.process.ours() {
		m.not("time to restart, cold answers", errNoAccess)
	} else if m.process.Volatile {
		m.not("cold answers", errVolatile)
	}
	there := m.writer.ledger.spans // in a store that was not emptied
	for _, size := range m.bench.plan.Sizes {
		if err := m.grow(ctx, there+size); err != nil {
			return fmt.Errorf("at %d spans: %w", size, err)
		}
	}
	return m.maintenance(ctx)
}

// maintenance measures what was put off, once the store is full.
func (m *measurement) maintenance(ctx context.Context) error {
	if m.process.maintaining == nil {
		return nil
	}
	after, err := time.ParseDuration(m.process.Maintain.After)
	if err != nil {
		return fmt.Errorf("maintain.after: %w", err)
	}
	if !m.bench.plan.Maintain {
		m.not("compaction", noAccess{errors.New("only in the full evaluation")})
		return nil
	}
	if err := m.process.own().Stop(ctx); err != nil {
		return err
	}
	beside, err := m.process.besideCPU()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := m.process.maintaining.Start(ctx); err != nil {
		return err
	}
	sleep(ctx, after)
	m.settle(ctx)
	if usage, err := m.process.usage(ctx); err == nil && m.watched {
		cpu := usage.CPUSeconds - beside - m.startCPU - m.idleCores*time.Since(began).Seconds()
		perMillion := max(0, cpu) / float64(m.writer.ledger.spans) * 1e6
		m.found.MaintenanceCPU = &perMillion
	}
	if data, _, err := m.process.disk(); err == nil {
		perSpan := float64(data) / float64(m.writer.ledger.spans)
		m.found.MaintainedBytes = &perSpan
	}
	return ctx.Err()
}

func (m *measurement) grow(ctx context.Context, size int) error {
	l := m.writer.ledger
	step := result.StoreSize{Queries: []result.StoreQuery{}}
	meter, before := m.meter(ctx), l.spans
	err := m.writer.fill(ctx, size-l.spans)
	took := time.Since(meter.began).Seconds()
	if err != nil {
		meter.stop()
		return err
	}
	m.settle(ctx)
	written := l.spans - before
	step.Spans, step.IngestPerSecond = l.spans, float64(written)/took
	if cpu := meter.spent(ctx); cpu != nil {
		perMillion := *cpu / float64(written) * 1e6
		step.CPUPerMillion = &perMillion
	}
	step.MemoryPeakBytes = meter.stop()

	asker := m.asker()
	if !m.process.ours() || m.process.Volatile {
		m.warm(ctx, asker, &step)
	}
	if m.process.ours() {
		if err := m.restarted(ctx, asker, &step); err != nil {
			return err
		}
	}
	m.sizes(ctx, &step)
	m.found.Sizes = append(m.found.Sizes, step)
	if m.process.Volatile { // what was written is gone
		if err := m.renew(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// restarted restarts the store and asks it cold, then warm.
func (m *measurement) restarted(ctx context.Context, asker asker, step *result.StoreSize) error {
	unix.Sync() // what is not on the disk stays in the page cache
	cold := dropPageCache
	if err := dropPageCache(); err != nil {
		cold = nil
		if len(m.found.Sizes) == 0 {
			m.not("cold answers", noAccess{err})
		}
	}
	took, err := m.process.restart(ctx, cold)
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	seconds := took.Seconds()
	step.Restart = &seconds
	if m.process.Volatile {
		return nil
	}
	m.settle(ctx)
	if usage, err := m.process.own().Usage(); err == nil {
		m.startCPU = usage.CPUSeconds
	}
	if cold != nil && (m.bench.plan.ColdAtEach || step.Spans >= m.bench.plan.Sizes[len(m.bench.plan.Sizes)-1]) {
		for _, kind := range asker.kinds() {
			m.ask(ctx, kind, step, m.bench.plan.Cold, dropPageCache)
		}
	}
	m.warm(ctx, asker, step)
	return nil
}

func (m *measurement) warm(ctx context.Context, asker asker, step *result.StoreSize) {
	for _, kind := range asker.kinds() {
		m.ask(ctx, kind, step, m.bench.plan.Warm, nil)
	}
}

// sizes are memory and disk of a store at rest.
func (m *measurement) sizes(ctx context.Context, step *result.StoreSize) {
	if usage, err := m.process.usage(ctx); err == nil {
		step.MemoryBytes = &usage.Memory
	}
	data, buffers, err := m.process.disk()
	if err != nil {
		m.not("disk", err)
		return
	}
	perSpan := float64(data) / float64(step.Spans)
	step.BytesPerSpan, step.BufferBytes = &perSpan, &buffers
}

const leastQuestions = 3

// ask asks the questions of a kind and enters the figures: the cold ones when
// before is given, which is then done before each.
func (m *measurement) ask(ctx context.Context, kind kind, step *result.StoreSize, most int, before func() error) {
	at := slices.IndexFunc(step.Queries, func(q result.StoreQuery) bool { return q.Kind == kind.name })
	if at < 0 {
		at = len(step.Queries)
		step.Queries = append(step.Queries, result.StoreQuery{Kind: kind.name, Right: true})
	}
	entry := &step.Queries[at]
	if entry.NoAnswer != "" || entry.Wrong != "" {
		return
	}
	if why, known := m.process.Cannot[kind.name]; known {
		entry.Right, entry.NoAnswer = false, why
		return
	}
	if len(kind.questions) == 0 {
		entry.Right, entry.NoAnswer = false, "nothing was written that it could ask for"
		return
	}
	entry.Query = kind.questions[0].text
	if before == nil { // what the first question warms up is not measured
		_, _ = kind.questions[0].ask(ctx)
	}
	var milliseconds []float64
	meter := m.meter(ctx)
	for n, began := 0, time.Now(); n < most && (n < leastQuestions || time.Since(began) < m.bench.plan.Patience); n++ {
		if before != nil {
			if err := before(); err != nil {
				break
			}
		}
		asked := time.Now()
		check, err := kind.questions[n%len(kind.questions)].ask(ctx)
		took := time.Since(asked)
		if err != nil {
			entry.Right, entry.NoAnswer = false, err.Error()
			break
		}
		if err := check(); err != nil {
			entry.Right, entry.Wrong = false, err.Error()
			break
		}
		milliseconds = append(milliseconds, float64(took)/float64(time.Millisecond))
	}
	cpu := meter.spent(ctx)
	meter.stop()
	if len(milliseconds) == 0 {
		return
	}
	p50, p95, p99 := quantile(milliseconds, 0.5), quantile(milliseconds, 0.95), quantile(milliseconds, 0.99)
	if before != nil {
		entry.ColdCount, entry.ColdP50, entry.ColdP95, entry.ColdP99 = len(milliseconds), &p50, &p95, &p99
		return
	}
	entry.WarmCount, entry.WarmP50, entry.WarmP95, entry.WarmP99 = len(milliseconds), &p50, &p95, &p99
	if cpu != nil {
		each := *cpu / float64(len(milliseconds))
		entry.CPU = &each
	}
}

// quantile is a value that such a share of all do not exceed.
func quantile(values []float64, share float64) float64 {
	return stat.Quantile(share, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}

// predictionError compares the largest size with what the smaller ones foretell; nil
// when there are fewer than two. What grows with the size is taken to grow by a power
// of it between 0, not at all, and 1, in proportion: a straight line through two
// times that scatter falls below nothing.
func predictionError(sizes []result.StoreSize) *result.PredictionError {
	if len(sizes) < 3 {
		return nil
	}
	last := sizes[len(sizes)-1]
	found := &result.PredictionError{}
	off := func(value func(result.StoreSize) *float64) *float64 {
		var x, y []float64
		for _, s := range sizes[:len(sizes)-1] {
			v := value(s)
			if v == nil || *v <= 0 {
				return nil
			}
			x, y = append(x, math.Log(float64(s.Spans))), append(y, math.Log(*v))
		}
		measured := value(last)
		if measured == nil || *measured == 0 {
			return nil
		}
		_, power := stat.LinearRegression(x, y, nil, false)
		power = min(max(power, 0), 1)
		foretold := math.Exp(stat.Mean(y, nil) + power*(math.Log(float64(last.Spans))-stat.Mean(x, nil)))
		share := math.Abs(foretold-*measured) / *measured
		return &share
	}
	found.Disk = off(func(s result.StoreSize) *float64 {
		if s.BytesPerSpan == nil {
			return nil
		}
		bytes := *s.BytesPerSpan * float64(s.Spans)
		return &bytes
	})
	var all []float64
	for _, q := range last.Queries {
		if share := off(func(s result.StoreSize) *float64 {
			for _, other := range s.Queries {
				if other.Kind == q.Kind && other.Right {
					return other.WarmP95
				}
			}
			return nil
		}); share != nil {
			all = append(all, *share)
		}
	}
	if len(all) > 0 {
		middle := quantile(all, 0.5)
		found.P95 = &middle
	}
	return found
}
