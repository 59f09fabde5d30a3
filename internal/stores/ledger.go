package stores

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// ledger is what was written to one store, as far as the questions need it.
type ledger struct {
	mu sync.Mutex

	began    time.Time
	spans    int // acknowledged
	numbers  map[pcommon.TraceID]uint32
	services map[string]int // spans of each
	// Traces that have a span like this.
	byService   map[string]int
	byOperation map[[2]string]int // service and operation
	failed      map[string]int    // by the service of the failed span
	common      map[[2]string]int // by service and value
	rare        map[[2]string]int // by service and value, of some traces
	slow        []slowTrace       // those with the longest roots, the longest first

	// kept are, while it is not nil, the spans that were acknowledged.
	kept map[uint32][]pcommon.SpanID
	// fresh gets, while it is not nil, now and then a trace that is about to be whole.
	fresh      chan sentTrace
	freshEvery time.Duration
	lastFresh  time.Time
	watched    map[uint32]int // spans that are not acknowledged yet
}

// slowTrace is a trace whose root took long.
type slowTrace struct {
	service  string        // of the root
	duration time.Duration // of the root
}

// sentTrace is a trace of which all has been sent.
type sentTrace struct {
	trace trace
	at    time.Time // when the request with its last span was sent
}

const (
	slowKept = 200
	// rareKept is one in how many traces is asked for by a rare value.
	rareKept = 16
)

func newLedger() *ledger {
	return &ledger{
		began: time.Now(), numbers: map[pcommon.TraceID]uint32{}, services: map[string]int{},
		byService: map[string]int{}, byOperation: map[[2]string]int{}, failed: map[string]int{},
		common: map[[2]string]int{}, rare: map[[2]string]int{}, watched: map[uint32]int{},
	}
}

// wrote enters a trace that is going to be sent.
func (l *ledger) wrote(s source, t *trace, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.numbers[t.id] = t.number
	services, operations := map[string]bool{}, map[[2]string]bool{}
	failed, common, rare := map[string]bool{}, map[[2]string]bool{}, map[[2]string]bool{}
	var root slowTrace
	for _, f := range t.facts {
		l.services[f.service]++
		services[f.service] = true
		operations[[2]string{f.service, f.operation}] = true
		if f.failed {
			failed[f.service] = true
		}
		if f.common != "" {
			common[[2]string{f.service, f.common}] = true
		}
		if f.rare != "" {
			rare[[2]string{f.service, f.rare}] = true
		}
		if f.root {
			root.service, root.duration = f.service, f.duration
		}
	}
	count(l.byService, services)
	count(l.byOperation, operations)
	count(l.failed, failed)
	count(l.common, common)
	// Values come again only when traces do, and then all of them are counted.
	if s.limit() > 0 || t.number%rareKept == 0 {
		count(l.rare, rare)
	}
	at, _ := slices.BinarySearchFunc(l.slow, root, func(a, b slowTrace) int { return cmp.Compare(b.duration, a.duration) })
	if at < slowKept && root.duration > 0 {
		l.slow = slices.Insert(l.slow, at, root)
		l.slow = l.slow[:min(len(l.slow), slowKept)]
	}
	if l.fresh != nil && now.Sub(l.lastFresh) >= l.freshEvery {
		l.lastFresh = now
		l.watched[t.number] = len(t.facts)
	}
}

func count[K comparable](all map[K]int, having map[K]bool) {
	for key := range having {
		all[key]++
	}
}

// acknowledged enters spans that the store has taken over.
func (l *ledger) acknowledged(s source, pieces []piece, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans += len(pieces)
	for _, p := range pieces {
		number := p.trace.number
		if l.kept != nil {
			l.kept[number] = append(l.kept[number], s.spanIDOf(p.trace, p.index))
		}
		if left, ok := l.watched[number]; ok {
			if l.watched[number] = left - 1; left == 1 {
				delete(l.watched, number)
				select {
				case l.fresh <- sentTrace{*p.trace, sent}:
				default: // the one before is still looked for
				}
			}
		}
	}
}
