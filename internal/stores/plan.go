package stores

import "time"

// Plan says how long and how much a candidate is measured.
type Plan struct {
	Name string

	Idle        time.Duration
	Rates       []int // spans a second
	Repetitions int   // of each rate, without a pause
	Repetition  time.Duration
	// LeastSpans are written in each repetition, however long that takes: the kernel
	// counts CPU time in hundredths of a second, and a flush takes Tempo half a second.
	LeastSpans int

	// FreshTraces are looked for at FreshRate spans a second, one every FreshEvery,
	// before the kill.
	FreshRate   int
	FreshTraces int
	FreshEvery  time.Duration

	Sizes []int // spans, the smallest first
	// Each kind of question is asked until Warm times, or until Patience is over, and
	// the same cold; three times at the least.
	Warm, Cold int
	Patience   time.Duration
	// ColdAtEach asks cold at each size, and not only at the largest.
	ColdAtEach bool
	// Maintain measures what candidates put off.
	Maintain bool

	// Settle bounds each wait for a store to come to rest.
	Settle time.Duration
	// Curves are measured.
	Curves bool
}

// Plans by name.
var Plans = map[string]Plan{
	"short": {
		Name: "short", Idle: 3 * time.Second,
		Rates: []int{500, 2000, 8000}, Repetitions: 2, Repetition: 3 * time.Second, LeastSpans: 3000,
		FreshRate: 500, FreshTraces: 6, FreshEvery: 500 * time.Millisecond,
		Sizes: []int{25_000, 50_000, 100_000}, Warm: 100, Cold: 5, Patience: 300 * time.Millisecond,
		Settle: 30 * time.Second,
	},
	"full": {
		Name: "full", Idle: 20 * time.Second,
		Rates: []int{500, 2000, 8000}, Repetitions: 3, Repetition: 12 * time.Second, LeastSpans: 12_000,
		FreshRate: 500, FreshTraces: 12, FreshEvery: 500 * time.Millisecond,
		Sizes: []int{250_000, 500_000, 1_000_000}, Warm: 200, Cold: 8, Patience: time.Second, ColdAtEach: true,
		Maintain: true, Settle: time.Minute, Curves: true,
	},
}

// repetition is how long one is at a rate.
func (p Plan) repetition(rate int) time.Duration {
	return max(p.Repetition, time.Duration(p.LeastSpans)*time.Second/time.Duration(rate))
}

// LargestOf gives the plan a ladder that ends at so many spans.
func (p Plan) LargestOf(spans int) Plan {
	p.Sizes = []int{spans / 4, spans / 2, spans}
	return p
}

// Usual is about how long a candidate takes.
func (p Plan) Usual() time.Duration {
	total := p.Idle + p.UsualPoint()
	for _, rate := range p.Rates[1:] {
		total += time.Duration(p.Repetitions)*p.repetition(rate) + 4*time.Second
	}
	before := 0
	for _, size := range p.Sizes {
		total += time.Duration(size-before)*time.Second/15_000 + 8*time.Second + 14*p.Patience
		before = size
	}
	return total
}

// UsualPoint is about how long a point of a curve takes.
func (p Plan) UsualPoint() time.Duration {
	return p.Idle + time.Duration(p.Repetitions)*p.repetition(p.Rates[0]) + time.Duration(p.FreshTraces)*p.FreshEvery + 20*time.Second
}
