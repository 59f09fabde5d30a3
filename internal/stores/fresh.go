package stores

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
)

const (
	// freshPatience is how long a trace is looked for.
	freshPatience = time.Minute
	// lookAgain is the time between two looks: a figure may be too high by it.
	lookAgain = 50 * time.Millisecond
	// readers look up traces at the same time.
	readers = 8
)

// freshAndKilled writes at a low rate, looks how soon some traces are found, kills
// the store when they are, and counts the acknowledged spans that it has no more.
func (m *measurement) freshAndKilled(ctx context.Context) error {
	if err := m.renew(); err != nil {
		return err
	}
	l := m.writer.ledger
	l.fresh, l.freshEvery = make(chan sentTrace, m.bench.plan.FreshTraces), m.bench.plan.FreshEvery
	l.kept = map[uint32][]pcommon.SpanID{}

	writing, cut := context.WithCancel(ctx)
	defer cut()
	enough := make(chan time.Time)
	var written error
	var writer sync.WaitGroup
	writer.Go(func() { _, written = m.writer.pace(writing, m.bench.plan.FreshRate, enough) })

	rare, _ := m.source.attributes()
	if rare == "" {
		m.not("freshness by search", noAccess{fmt.Errorf("of every attribute, more than %d traces share a value, and a search returns no more", searchLimit)})
	}
	var byID, bySearch []float64
	var mu sync.Mutex
	var looking errgroup.Group
	for range m.bench.plan.FreshTraces {
		var one sentTrace
		select {
		case one = <-l.fresh:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(freshPatience):
			cut()
			writer.Wait()
			return fmt.Errorf("no trace was acknowledged as a whole within %s: %w", freshPatience, written)
		}
		looking.Go(func() error {
			return m.until(ctx, one.at, &mu, &byID, func(ctx context.Context) (bool, error) {
				got, err := m.store.SpanIDs(ctx, one.trace.id.String())
				return err == nil && m.asker().checkSpans(&one.trace, got) == nil, err
			})
		})
		if rare == "" {
			continue
		}
		looking.Go(func() error {
			return m.until(ctx, one.at, &mu, &bySearch, func(ctx context.Context) (bool, error) { return m.finds(ctx, one.trace) })
		})
	}
	looked := looking.Wait()
	if len(byID) > 0 {
		p95 := quantile(byID, 0.95)
		m.found.FreshnessByIDP95, m.found.FreshnessCount = &p95, len(byID)
	}
	if len(bySearch) > 0 {
		p95 := quantile(bySearch, 0.95)
		m.found.FreshnessP95 = &p95
	}
	if looked != nil {
		m.not("freshness", looked)
	}
	if !m.process.ours() { // it keeps what it has: of each trace, the rest must follow
		close(enough)
		writer.Wait()
		m.not("what a kill loses", errNoAccess)
		return written
	}
	// A store that writes now and then has just written what was found.
	if m.found.FreshnessP95 != nil {
		sleep(ctx, time.Duration(*m.found.FreshnessP95*float64(time.Second)))
	}
	err := m.process.own().Kill(ctx)
	cut()
	writer.Wait()
	if err == nil {
		err = m.process.own().Start(ctx)
	}
	if err != nil {
		return fmt.Errorf("restart after kill -9: %w", err)
	}
	lost, err := m.lost(ctx, l.kept)
	if err != nil {
		return err
	}
	m.found.LostByKill = &lost
	return nil
}

func (m *measurement) asker() asker {
	return asker{m.store, m.source, m.writer.ledger, !m.process.ours()}
}

// until looks until something shows, and adds how many seconds after the moment.
func (m *measurement) until(ctx context.Context, since time.Time, mu *sync.Mutex, seconds *[]float64, shows func(context.Context) (bool, error)) error {
	for {
		ok, err := shows(ctx)
		if ok {
			mu.Lock()
			defer mu.Unlock()
			*seconds = append(*seconds, time.Since(since).Seconds())
			return nil
		}
		if time.Since(since) > freshPatience {
			return errors.Join(fmt.Errorf("a trace was not found within %s", freshPatience), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookAgain):
		}
	}
}

// finds searches for a trace by the rare attribute, or by its root's service.
func (m *measurement) finds(ctx context.Context, t trace) (bool, error) {
	query := backend.TraceQuery{Limit: searchLimit, Window: backend.Window{Start: m.writer.ledger.began.Add(-before), End: time.Now().Add(time.Minute)}}
	name, _ := m.source.attributes()
	for _, f := range t.facts {
		if f.rare != "" || f.root && query.Service == "" {
			query.Service, query.Attribute, query.Value = f.service, name, f.rare
		}
	}
	if query.Value == "" {
		query.Attribute = ""
	}
	found, err := m.store.Search(ctx, query)
	return slices.ContainsFunc(found, func(one backend.FoundTrace) bool { return one.ID == t.id.String() }), err
}

// lost counts the spans of which the store has no more. Spans may still be read
// back from a log: the count must stand still.
func (m *measurement) lost(ctx context.Context, kept map[uint32][]pcommon.SpanID) (int, error) {
	missing := kept
	for again := 0; ; again++ {
		var mu sync.Mutex
		still := map[uint32][]pcommon.SpanID{}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(readers)
		for number, spans := range missing {
			group.Go(func() error {
				t := m.source.trace(number)
				got, err := m.store.SpanIDs(ctx, t.id.String())
				if err != nil && !errors.Is(err, backend.ErrNotFound) {
					return err
				}
				for _, span := range spans {
					if !slices.Contains(got, span.String()) {
						mu.Lock()
						still[number] = append(still[number], span)
						mu.Unlock()
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return 0, fmt.Errorf("what a kill loses: %w", err)
		}
		if again > 0 && spansOf(still) == spansOf(missing) || len(still) == 0 {
			return spansOf(still), nil
		}
		missing = still
		sleep(ctx, 2*time.Second)
	}
}

func spansOf(spans map[uint32][]pcommon.SpanID) (n int) {
	for _, of := range spans {
		n += len(of)
	}
	return n
}
