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

	queryTraces int // written before the queries
	queryEach   int // queries of each kind to each store

	capacityRates []int         // logins per second, one step each
	capacityStep  time.Duration // how long each is held

	collectorRounds int
	collectorSpans  int // in each half of a round

	samplingTraces int // sent through the two tiers

	faultRate   int           // logins per second during a fault
	faultBefore time.Duration // load before the fault, and
	faultAfter  time.Duration // after it, at the least
	outage      time.Duration // of one part
	longOutage  time.Duration // of all four stores at once
}

// plans by name.
var plans = map[string]plan{
	"short": {
		name:       "short",
		steadyRate: 50, steady: 20 * time.Second,
		queryTraces: 2000, queryEach: 20,
		capacityRates: []int{100, 200, 400}, capacityStep: 5 * time.Second,
		collectorRounds: 2, collectorSpans: 40_000,
		samplingTraces: 400,
		faultRate:      20, faultBefore: time.Second, faultAfter: 3 * time.Second,
		outage: 5 * time.Second, longOutage: 10 * time.Second,
	},
	"full": {
		name:       "full",
		steadyRate: 50, steady: time.Minute,
		queryTraces: 20_000, queryEach: 100,
		capacityRates: []int{50, 100, 150, 200, 300, 400, 600, 800}, capacityStep: 15 * time.Second,
		collectorRounds: 5, collectorSpans: 100_000,
		samplingTraces: 4000,
		faultRate:      20, faultBefore: 2 * time.Second, faultAfter: 5 * time.Second,
		outage: 30 * time.Second, longOutage: 5 * time.Minute,
	},
}

func planOf(name string) (plan, error) {
	p, ok := plans[name]
	if !ok {
		return plan{}, fmt.Errorf("--duration %q: give short or full", name)
	}
	return p, nil
}
