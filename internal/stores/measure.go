package stores

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
)

// Bench measures candidates, one after the other, each alone.
type Bench struct {
	stack    *stack.Stack
	plan     Plan
	progress io.Writer // gets a line for each thing that a person waits for
	source   source
	filled   string
}

// NewBench makes a bench that fills stores with a file of OTLP JSON lines, or, when
// that is empty, with the estate of the seed.
func NewBench(s *stack.Stack, plan Plan, progress io.Writer, replay string, seed uint64) (*Bench, error) {
	b := &Bench{stack: s, plan: plan, progress: progress, source: newEstate(seed)}
	b.filled = fmt.Sprintf("Filled with an estate made of the seed %d: %d services with %d operations, few of them popular, traces of 1 to %d spans "+
		"that arrive in pieces, attributes of two values to unique ones, %.0f %% of the spans failed. As a collector with its default batches, it sends every %s.",
		seed, serviceCount, serviceCount*operationsEach, largestTrace, 100*failedShare, tick)
	if replay != "" {
		recorded, err := newReplay(replay)
		if err != nil {
			return nil, err
		}
		b.source = recorded
		b.filled = fmt.Sprintf("Filled with %d traces of %d spans from %s, moved to now, again and again. As a collector with its default batches, it sends every %s.",
			len(recorded.traces), recorded.spans, filepath.Base(replay), tick)
	}
	return b, nil
}

// FilledWith says what the stores are filled with.
func (b *Bench) FilledWith() string { return b.filled }

// Measure measures one candidate. What cannot be measured is in NotMeasured with
// the reason; an error means that ctx has ended.
func (b *Bench) Measure(ctx context.Context, c Candidate) (result.Store, error) {
	found := result.Store{Name: c.Name, API: c.API, Settings: []result.Setting{}, NotMeasured: []result.NotMeasured{}, KillRate: b.plan.FreshRate}
	for _, s := range c.Differs {
		found.Settings = append(found.Settings, result.Setting(s))
	}
	m, err := b.begin(ctx, c, &found)
	if err != nil {
		m.not("everything", err)
		return found, context.Cause(ctx)
	}
	defer func() { _ = m.process.end(context.WithoutCancel(ctx)) }()
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"idle", m.idle}, {"ingest", m.ingest}, {"freshness, and what a kill loses", m.freshAndKilled}, {"growth", m.growth},
	} {
		fmt.Fprintf(b.progress, "       %s: %s\n", c.Name, phase.name)
		if err := phase.run(ctx); err != nil {
			m.not(phase.name, err)
		}
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
	}
	found.PredictionError = predictionError(found.Sizes)
	return found, nil
}

// MeasureCurve measures a candidate at each value of a setting: cost at one rate,
// freshness, and what a kill loses.
func (b *Bench) MeasureCurve(ctx context.Context, curve Curve, c Candidate) (result.StoreCurve, error) {
	found := result.StoreCurve{Name: curve.Name, Store: c.Name}
	for _, point := range curve.Points {
		fmt.Fprintf(b.progress, "       %s: %s\n", curve.Name, point.Label)
		changed := c
		changed.Name += " " + point.Label
		changed.Env = map[string]string{} // a clone of none would take nothing
		maps.Copy(changed.Env, c.Env)
		maps.Copy(changed.Env, point.Env)
		var store result.Store
		m, err := b.begin(ctx, changed, &store)
		if err != nil {
			return found, err
		}
		rates := *b
		rates.plan.Rates = b.plan.Rates[:1]
		m.bench = &rates
		err = errors.Join(m.idle(ctx), m.ingest(ctx), m.freshAndKilled(ctx), m.process.end(context.WithoutCancel(ctx)))
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if err != nil {
			return found, fmt.Errorf("%s: %w", point.Label, err)
		}
		found.Points = append(found.Points, result.CurvePoint{
			Label: point.Label, Rate: store.Ingest[0].Rate, CPUPerMillion: store.Ingest[0].CPUPerMillion, Spread: store.Ingest[0].Spread,
			FreshnessP95: store.FreshnessP95, FreshnessByIDP95: store.FreshnessByIDP95, LostByKill: store.LostByKill,
		})
	}
	return found, nil
}

// measurement is that of one candidate.
type measurement struct {
	bench   *Bench
	process *process
	source  source
	store   backend.TraceInventory
	found   *result.Store

	writer *writer
	// idleCores and whether they are known.
	idleCores float64
	watched   bool
	// startCPU is what a start of the store's own program takes, in seconds.
	startCPU float64
}

func (b *Bench) begin(ctx context.Context, c Candidate, found *result.Store) (*measurement, error) {
	m := &measurement{bench: b, source: b.source, found: found}
	if e, ok := b.source.(*estate); ok && len(c.Command) == 0 {
		m.source = newEstate(e.seed ^ uint64(time.Now().UnixNano())) // it may still hold what was written another time
	}
	var err error
	if m.process, err = newProcess(b.stack, c, os.LookupEnv); err != nil {
		return m, err
	}
	if err := m.process.begin(ctx); err != nil {
		return m, errors.Join(err, m.process.end(context.WithoutCancel(ctx)))
	}
	m.store = newClient(m.process.Candidate)
	if err := m.renew(); err != nil {
		return m, err
	}
	m.settings(ctx)
	return m, nil
}

// renew begins a new phase: it forgets what was written before, unless the store,
// which the evaluation does not empty, still has it.
func (m *measurement) renew() (err error) {
	ledger, next := newLedger(), uint32(0)
	if m.writer != nil {
		m.writer.close()
		next = m.writer.next
		if !m.process.ours() {
			ledger = m.writer.ledger
		}
	}
	if m.writer, err = newWriter(m.source, m.process.OTLP, ledger); err != nil {
		return err
	}
	m.writer.next = next // no number twice in a store
	return nil
}

// not enters, once, that a figure is missing, and whether it should be there.
func (m *measurement) not(what string, reason error) {
	if slices.ContainsFunc(m.found.NotMeasured, func(n result.NotMeasured) bool { return n.What == what }) {
		return
	}
	m.found.NotMeasured = append(m.found.NotMeasured, result.NotMeasured{What: what, Reason: reason.Error(), Failed: !errors.As(reason, &noAccess{})})
}

// settings are the files that it was started with, and what Tempo says itself.
func (m *measurement) settings(ctx context.Context) {
	add := func(path, text string) {
		m.found.SettingsFiles = append(m.found.SettingsFiles, result.SettingsFile{Path: path, Text: text})
	}
	for _, path := range m.process.Settings {
		text, err := os.ReadFile(filepath.Join(m.bench.stack.Root(), path))
		if err != nil {
			m.not("settings", err)
			continue
		}
		add(path, string(text))
	}
	if tempo, ok := m.store.(*backend.Tempo); ok {
		if text, err := tempo.ChangedSettings(ctx); err == nil {
			add("/status/config?mode=diff", strings.ReplaceAll(text, m.process.dataDir, "${DATA_DIR}"))
		}
	}
}

// meter is what the store takes from its making on.
type meter struct {
	m      *measurement
	before stack.Usage
	began  time.Time
	err    error

	mu      sync.Mutex
	peak    uint64
	cancel  context.CancelFunc
	watcher sync.WaitGroup
}

func (m *measurement) meter(ctx context.Context) *meter {
	t := &meter{m: m}
	t.before, t.err = m.process.usage(ctx)
	t.began = time.Now()
	ctx, t.cancel = context.WithCancel(ctx)
	if t.err != nil {
		return t
	}
	t.watcher.Go(func() {
		for ctx.Err() == nil {
			if u, err := m.process.usage(ctx); err == nil {
				t.mu.Lock()
				t.peak = max(t.peak, u.Memory)
				t.mu.Unlock()
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	return t
}

// spent returns the CPU seconds so far, beside what the store takes idle; nil when
// that is not known.
func (t *meter) spent(ctx context.Context) *float64 {
	now, err := t.m.process.usage(ctx)
	if t.err != nil || err != nil || !t.m.watched {
		return nil
	}
	cpu := max(0, now.CPUSeconds-t.before.CPUSeconds-t.m.idleCores*time.Since(t.began).Seconds())
	return &cpu
}

// stop ends the watch, and returns the most memory seen.
func (t *meter) stop() *uint64 {
	t.cancel()
	t.watcher.Wait()
	if t.err != nil || t.peak == 0 {
		return nil
	}
	return &t.peak
}

// likelyIdle is what a store takes idle at the most, in cores, before that is measured.
const likelyIdle = 0.1

func (m *measurement) idle(ctx context.Context) error {
	if _, err := m.process.usage(ctx); err != nil {
		return err
	}
	if err := m.process.settle(ctx, likelyIdle, m.bench.plan.Settle); err != nil {
		return err
	}
	before, err := m.process.usage(ctx)
	began := time.Now()
	sleep(ctx, m.bench.plan.Idle)
	after, afterErr := m.process.usage(ctx)
	if err := errors.Join(err, afterErr); err != nil {
		return err
	}
	m.idleCores, m.watched = (after.CPUSeconds-before.CPUSeconds)/time.Since(began).Seconds(), true
	m.found.Idle = &result.StoreIdle{Cores: m.idleCores, MemoryBytes: after.Memory, Seconds: time.Since(began).Seconds()}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// settle waits for rest; that it does not come is told once.
func (m *measurement) settle(ctx context.Context) {
	if err := m.process.settle(ctx, m.idleCores, m.bench.plan.Settle); err != nil && ctx.Err() == nil {
		m.not("figures of the settled store", err)
	}
}

func (m *measurement) ingest(ctx context.Context) error {
	for _, rate := range m.bench.plan.Rates {
		step := result.StoreIngest{Rate: rate, Repetitions: m.bench.plan.Repetitions}
		whole := m.meter(ctx)
		var during []float64
		var took float64
		for range m.bench.plan.Repetitions {
			one := m.meter(ctx)
			spans, err := m.writer.pace(ctx, rate, time.After(m.bench.plan.repetition(rate)))
			took += time.Since(one.began).Seconds()
			cpu := one.spent(ctx)
			one.stop()
			if err == nil && spans == 0 {
				err = errors.New("nothing was acknowledged")
			}
			if err != nil {
				whole.stop()
				return fmt.Errorf("%d spans a second: %w", rate, err)
			}
			step.Spans += spans
			if cpu != nil {
				during = append(during, *cpu/float64(spans)*1e6)
			}
		}
		m.settle(ctx)
		if cpu := whole.spent(ctx); cpu != nil && len(during) > 0 {
			all, middle := *cpu/float64(step.Spans)*1e6, quantile(during, 0.5)
			spread := (slices.Max(during) - slices.Min(during)) / middle
			step.CPUPerMillion, step.CPUDuringLoad, step.Spread = &all, &middle, &spread
		}
		step.MemoryPeakBytes = whole.stop()
		step.Achieved = float64(step.Spans) / took
		m.found.Ingest = append(m.found.Ingest, step)
	}
	return nil
}
