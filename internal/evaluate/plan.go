package evaluate

import (
	"fmt"
	"time"
)

// plan says how long each step takes and how much it drives.
type plan struct {
	name string

	steadyRate int           // logins per second of the steady load
	steady     time.Duration // how long it lasts
	idle       time.Duration // before it, to know what the parts take without

	queryTraces int // written before the queries
	// querySettling is the time from the writing to the asking. Tempo keeps what is
	// younger than a quarter of a minute in its head block, which it reads otherwise
	// than the finished blocks; and a flood keeps both stores busy for a while.
	querySettling time.Duration
	queryEach     int // queries of each kind to each store

	capacityRates []int         // logins per second, one step each
	capacityStep  time.Duration // how long each is held

	collectorRounds int
	collectorSpans  int // to each of the two, in each round

	samplingTraces int // sent through the two tiers

	faultRate   int           // logins per second during a fault
	faultBefore time.Duration // load before the fault, and
	faultAfter  time.Duration // after it, at the least
	disturbance time.Duration // a full disk, a slow store, a burst
	outage      time.Duration // of one part; none when 0
	longOutage  time.Duration // of all four stores at once
}

// plans by name.
var plans = map[string]plan{
	"short": {
		name:       "short",
		steadyRate: 50, steady: 12 * time.Second, idle: 4 * time.Second,
		queryTraces: 2000, querySettling: 16 * time.Second, queryEach: 20,
		capacityRates: []int{100, 300}, capacityStep: 5 * time.Second,
		collectorRounds: 3, collectorSpans: 10_000,
		samplingTraces: 400,
		faultRate:      20, faultBefore: time.Second, faultAfter: 2 * time.Second,
		disturbance: 4 * time.Second, longOutage: 10 * time.Second,
	},
	"full": {
		name:       "full",
		steadyRate: 50, steady: 45 * time.Second, idle: 15 * time.Second,
		queryTraces: 20_000, querySettling: 30 * time.Second, queryEach: 100,
		capacityRates: []int{50, 100, 150, 200, 300, 400, 600, 800}, capacityStep: 15 * time.Second,
		collectorRounds: 7, collectorSpans: 20_000,
		samplingTraces: 1000,
		faultRate:      20, faultBefore: 2 * time.Second, faultAfter: 3 * time.Second,
		disturbance: 15 * time.Second, outage: 30 * time.Second, longOutage: 5 * time.Minute,
	},
}

func planOf(name string) (plan, error) {
	p, ok := plans[name]
	if !ok {
		return plan{}, fmt.Errorf("--duration %q: give short or full", name)
	}
	return p, nil
}
