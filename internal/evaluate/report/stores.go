package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"throughline/internal/evaluate/result"
)

const (
	hoursOfMonth = 730
	gigabyte     = 1e9
)

// storeInks tell the candidates apart.
var storeInks = []ink{inkJaeger, inkTempo, inkCollector, inkRabbitMQ, inkLoki, inkAuditMQ, inkLoginAPI, inkPrometheus}

// storeView is a candidate with what follows from its figures.
type storeView struct {
	result.Store
	ink    ink
	demand *result.Demand

	// Month is the cost of a month at the demand, by what it is for; nil when a figure
	// that it needs is missing.
	Month *money
}

// money is the cost of a month.
type money struct{ CPU, Memory, Disk float64 }

// StoreViews are the candidates.
func (v view) StoreViews() []storeView {
	var all []storeView
	for i, s := range v.Stores {
		one := storeView{Store: s, ink: storeInks[i%len(storeInks)], demand: v.Demand}
		one.Month = one.month()
		all = append(all, one)
	}
	return all
}

// Largest is the store with the most spans in it; nil when it did not grow.
func (s storeView) Largest() *result.StoreSize {
	if len(s.Sizes) == 0 {
		return nil
	}
	return &s.Sizes[len(s.Sizes)-1]
}

// near is the measured rate that is nearest to the demand, by its ratio.
func (s storeView) near() *result.StoreIngest {
	if s.demand == nil || len(s.Ingest) == 0 {
		return nil
	}
	off := func(i result.StoreIngest) float64 {
		return math.Abs(math.Log(float64(i.Rate) / math.Max(1, s.demand.Rate)))
	}
	nearest := slices.MinFunc(s.Ingest, func(a, b result.StoreIngest) int { return cmp.Compare(off(a), off(b)) })
	return &nearest
}

// PerMillion is the CPU that a million spans take: the larger of the figure at the
// rate nearest to the demand and of that in bulk, with the maintenance that was put
// off. It is nil when neither is known.
func (s storeView) PerMillion() *float64 {
	var found *float64
	take := func(value *float64) {
		if value != nil && (found == nil || *value > *found) {
			found = value
		}
	}
	if near := s.near(); near != nil {
		take(near.CPUPerMillion)
	}
	if largest := s.Largest(); largest != nil {
		take(largest.CPUPerMillion)
	}
	if found != nil && s.MaintenanceCPU != nil {
		sum := *found + *s.MaintenanceCPU
		found = &sum
	}
	return found
}

// Memory is the most that was seen at the rate nearest to the demand, and at rest
// with the most spans, whichever is larger.
func (s storeView) Memory() *uint64 {
	var found *uint64
	if near := s.near(); near != nil {
		found = near.MemoryPeakBytes
	}
	if largest := s.Largest(); largest != nil && largest.MemoryBytes != nil && (found == nil || *largest.MemoryBytes > *found) {
		found = largest.MemoryBytes
	}
	return found
}

func (s storeView) month() *money {
	cpu, memory, largest := s.PerMillion(), s.Memory(), s.Largest()
	if s.demand == nil || cpu == nil || memory == nil || s.Idle == nil || largest == nil || largest.BytesPerSpan == nil {
		return nil // without disk it is kept in memory only: a month of it does not fit
	}
	prices := s.demand.Prices
	return &money{
		CPU:    (*cpu/1e6*s.demand.Rate + s.Idle.Cores) * hoursOfMonth * prices.CPUHour,
		Memory: float64(*memory) / gigabyte * prices.MemoryGBMonth,
		Disk:   *largest.BytesPerSpan * s.demand.Rate * s.demand.Retention / gigabyte * prices.DiskGBMonth,
	}
}

// total is the sum of Month; nil when it is not known.
func (s storeView) total() *float64 {
	if s.Month == nil {
		return nil
	}
	sum := s.Month.CPU + s.Month.Memory + s.Month.Disk
	return &sum
}

// MillionCost is what it costs to take a million spans and to keep them for the
// retention.
func (s storeView) MillionCost() *float64 {
	cpu, largest := s.PerMillion(), s.Largest()
	if s.demand == nil || cpu == nil || largest == nil || largest.BytesPerSpan == nil {
		return nil
	}
	prices := s.demand.Prices
	cost := *cpu/3600*prices.CPUHour +
		*largest.BytesPerSpan*1e6/gigabyte*prices.DiskGBMonth*s.demand.Retention/(hoursOfMonth*3600)
	return &cost
}

// Cannot lists the questions that it does not answer.
func (s storeView) Cannot() []string {
	var words []string
	if largest := s.Largest(); largest != nil {
		for _, q := range largest.Queries {
			if q.NoAnswer != "" {
				words = append(words, fmt.Sprintf("%s (%s)", q.Kind, q.NoAnswer))
			}
		}
	}
	return words
}

// Row is a criterion of the sheet: a value for each candidate.
type Row struct {
	Name   string
	Values []Value
}

// Value is a figure of a candidate, as text. Best are those of a row that no other
// is clearly better than, unless all are.
type Value struct {
	Text string
	Best bool
}

// alike is how much larger a figure may be that counts as the same: two runs differ
// by as much.
const alike = 1.1

// Sheet is candidates by criteria.
func (v view) Sheet() []Row {
	stores := v.StoreViews()
	var rows []Row
	// add a row of figures of which the least is the best.
	add := func(name string, value func(storeView) *float64, write func(float64) string) {
		row := Row{Name: name}
		figures, best := make([]*float64, len(stores)), math.Inf(1)
		for i, s := range stores {
			if figure := value(s); figure != nil && finite(*figure) {
				figures[i], best = figure, math.Min(best, *figure)
			}
		}
		clear := false
		for _, figure := range figures {
			text := unknown
			if figure != nil {
				text = write(*figure)
			}
			good := figure != nil && *figure <= best*alike
			clear = clear || figure != nil && !good
			row.Values = append(row.Values, Value{text, good})
		}
		if !clear {
			for i := range row.Values {
				row.Values[i].Best = false
			}
		}
		rows = append(rows, row)
	}
	if d := v.Demand; d != nil {
		price := func(value float64) string { return significant(value, 3) + " " + d.Prices.Currency }
		add(fmt.Sprintf("a month at %s spans a second, kept for %s", number(d.Rate), days(d.Retention)), storeView.total, price)
		add("a million spans, taken and kept for that long", storeView.MillionCost, price)
	}
	add("CPU of a million spans", storeView.PerMillion, cpu)
	add("of it compaction, measured apart", func(s storeView) *float64 { return s.MaintenanceCPU }, cpu)
	add("CPU when idle", func(s storeView) *float64 {
		if s.Idle == nil {
			return nil
		}
		return &s.Idle.Cores
	}, func(cores float64) string { return significant(100*cores, 2) + " % of a core" })
	add("memory", func(s storeView) *float64 { return asFloat(s.Memory()) }, size)
	largest := func(of func(*result.StoreSize) *float64) func(storeView) *float64 {
		return func(s storeView) *float64 {
			if l := s.Largest(); l != nil {
				return of(l)
			}
			return nil
		}
	}
	add("disk of a span", largest(func(l *result.StoreSize) *float64 { return l.BytesPerSpan }), size)
	add("found by a search after (p95)", func(s storeView) *float64 { return s.FreshnessP95 }, seconds)
	add("found by its id after (p95)", func(s storeView) *float64 { return s.FreshnessByIDP95 }, seconds)
	add(fmt.Sprintf("spans that a kill -9 loses, at %d a second", v.killRate()), func(s storeView) *float64 { return asFloat(s.LostByKill) }, func(n float64) string { return count(int64(n)) })
	for _, kind := range v.kinds() {
		add(kind+", p95, warm", largest(func(l *result.StoreSize) *float64 {
			for _, q := range l.Queries {
				if q.Kind == kind && q.Right {
					return q.WarmP95
				}
			}
			return nil
		}), milliseconds)
	}
	add("time to restart", largest(func(l *result.StoreSize) *float64 { return l.Restart }), seconds)
	return rows
}

func asFloat[N int | uint64 | int64](n *N) *float64 {
	if n == nil {
		return nil
	}
	value := float64(*n)
	return &value
}

func (v view) killRate() int {
	if len(v.Stores) == 0 {
		return 0
	}
	return v.Stores[0].KillRate
}

// kinds of questions, in the order in which they were asked.
func (v view) kinds() []string {
	var kinds []string
	for _, s := range v.StoreViews() {
		if l := s.Largest(); l != nil {
			for _, q := range l.Queries {
				if !slices.Contains(kinds, q.Kind) {
					kinds = append(kinds, q.Kind)
				}
			}
		}
	}
	return kinds
}

func days(retention float64) string {
	if retention >= 48*3600 {
		return number(retention/86400) + " days"
	}
	return duration(retention, precision)
}

// LargestSpans is how many spans the stores held in the end.
func (v view) LargestSpans() int {
	most := 0
	for _, s := range v.StoreViews() {
		if l := s.Largest(); l != nil {
			most = max(most, l.Spans)
		}
	}
	return most
}

// Conclusions are the sentences that follow from the sheet.
func (v view) Conclusions() []string {
	stores := v.StoreViews()
	var said []string
	ranked := func(value func(storeView) *float64) []storeView {
		having := slices.DeleteFunc(slices.Clone(stores), func(s storeView) bool { return value(s) == nil })
		slices.SortStableFunc(having, func(a, b storeView) int { return cmp.Compare(*value(a), *value(b)) })
		return having
	}
	if by := ranked(storeView.total); len(by) > 1 {
		first, last := by[0], by[len(by)-1]
		var least []string
		for _, s := range by {
			if *s.total() <= *first.total()*alike {
				least = append(least, s.Name)
			}
		}
		verb := "costs"
		if len(least) > 1 {
			verb = "cost"
		}
		sentence := fmt.Sprintf("At %s spans a second kept for %s, %s %s the least, %s %s a month, %s of it for %s", number(v.Demand.Rate), days(v.Demand.Retention),
			list(least), verb, significant(*first.total(), 3), v.Demand.Prices.Currency, share(largestOf(*first.Month), *first.total()), partOf(*first.Month))
		if *last.total() > *first.total()*alike {
			sentence += fmt.Sprintf("; %s costs %s times as much", last.Name, significant(*last.total() / *first.total(), 2))
		}
		said = append(said, sentence+".")
	}
	if by := ranked(func(s storeView) *float64 { return s.FreshnessP95 }); len(by) > 1 {
		first, last := by[0], by[len(by)-1]
		sentence := fmt.Sprintf("A search finds a new trace after %s in %s, and after %s in %s (p95)", seconds(*first.FreshnessP95), first.Name, seconds(*last.FreshnessP95), last.Name)
		if lost := ranked(func(s storeView) *float64 { return asFloat(s.LostByKill) }); len(lost) > 1 {
			least, most := lost[0], lost[len(lost)-1]
			sentence += fmt.Sprintf("; a kill -9 at %d spans a second loses %s spans of %s and %s of %s", v.killRate(),
				count(*least.LostByKill), least.Name, count(*most.LostByKill), most.Name)
		}
		said = append(said, sentence+".")
	}
	wins := map[string][]string{}
	for _, row := range v.Sheet() {
		kind, ok := strings.CutSuffix(row.Name, ", p95, warm")
		if !ok {
			continue
		}
		var best []string
		for i, value := range row.Values {
			if value.Best {
				best = append(best, stores[i].Name)
			}
		}
		if len(best) > 0 {
			wins[list(best)] = append(wins[list(best)], kind)
		}
	}
	var fastest []string
	for _, names := range slices.Sorted(maps.Keys(wins)) {
		fastest = append(fastest, fmt.Sprintf("%s: %s", names, list(wins[names])))
	}
	if len(fastest) > 0 {
		said = append(said, fmt.Sprintf("Over %s spans these answer soonest: %s.", count(v.LargestSpans()), strings.Join(fastest, "; ")))
	}
	return said
}

func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func largestOf(m money) float64 { return max(m.CPU, m.Memory, m.Disk) }

func partOf(m money) string {
	switch largestOf(m) {
	case m.CPU:
		return "CPU"
	case m.Memory:
		return "memory"
	}
	return "disk"
}

func share(part, whole float64) string { return fmt.Sprintf("%.0f %%", 100*part/whole) }

// StoreGaps are all figures that are missing, by candidate.
func (v view) StoreGaps() []string {
	var gaps []string
	for _, s := range v.StoreViews() {
		for _, n := range s.NotMeasured {
			gaps = append(gaps, fmt.Sprintf("%s: %s: %s", s.Name, n.What, n.Reason))
		}
		if words := s.Cannot(); len(words) > 0 {
			gaps = append(gaps, fmt.Sprintf("%s does not answer: %s", s.Name, strings.Join(words, ", ")))
		}
	}
	return gaps
}

// maybe writes a figure that may be missing.
func maybe(write func(float64) string) func(*float64) string {
	return func(value *float64) string {
		if value == nil {
			return unknown
		}
		return write(*value)
	}
}

// queryRow is a kind of question as one store answers it.
type queryRow struct {
	Store string
	result.StoreQuery
}

// QueryRows are the answers at the largest size, by kind.
func (v view) QueryRows() []queryRow {
	var rows []queryRow
	for _, kind := range v.kinds() {
		for _, s := range v.StoreViews() {
			for _, q := range answersOf(s) {
				if q.Kind == kind {
					rows = append(rows, queryRow{s.Name, q})
				}
			}
		}
	}
	return rows
}

// maybeSize writes a size that may be missing.
func maybeSize(value any) (string, error) {
	switch n := value.(type) {
	case *float64:
		return maybe(size)(n), nil
	case *int64:
		return maybe(size)(asFloat(n)), nil
	case *uint64:
		return maybe(size)(asFloat(n)), nil
	}
	return "", fmt.Errorf("size of a %T", value)
}

func answersOf(s storeView) []result.StoreQuery {
	if l := s.Largest(); l != nil {
		return l.Queries
	}
	return nil
}
