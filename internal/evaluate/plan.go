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
	fresh      time.Duration // how long it goes on, to look how fresh the stores are
	idle       time.Duration // before it, to know what the parts take without

	capacityRates []int         // logins per second, one step each
	capacityStep  time.Duration // how long each is held

	rest time.Duration // what went before may take so long to come to rest

	collectorRounds int
	collectorSpans  int // to each of the two, in each round

	samplingTraces int // sent through the two tiers

	faultRate      int           // logins per second during a fault
	faultBefore    time.Duration // load before the fault, and
	faultAfter     time.Duration // after it, at the least
	recovery       time.Duration // from its end, at the most
	disturbance    time.Duration // a full disk, a slow store, a burst
	outage         time.Duration // of one part; none when 0
	longOutage     time.Duration // of all four stores at once
	databaseOutage time.Duration // of audit-mq's
}

// plans by name.
var plans = map[string]plan{
	"short": {
		name:       "short",
		steadyRate: 50, steady: 8 * time.Second, fresh: 6 * time.Second, idle: 4 * time.Second,
		capacityRates: []int{100, 300}, capacityStep: 5 * time.Second, rest: time.Minute,
		collectorRounds: 3, collectorSpans: 10_000,
		samplingTraces: 400,
		faultRate:      20, faultBefore: time.Second, faultAfter: 2 * time.Second, recovery: 2 * time.Minute,
		disturbance: 4 * time.Second, longOutage: 10 * time.Second, databaseOutage: 10 * time.Second,
	},
	"full": {
		name:       "full",
		steadyRate: 50, steady: 30 * time.Second, fresh: 20 * time.Second, idle: 15 * time.Second,
		capacityRates: []int{50, 100, 200, 300, 400, 600}, capacityStep: 15 * time.Second, rest: time.Minute,
		collectorRounds: 7, collectorSpans: 20_000,
		samplingTraces: 1000,
		faultRate:      20, faultBefore: 2 * time.Second, faultAfter: 3 * time.Second, recovery: 2 * time.Minute,
		disturbance: 15 * time.Second, outage: 30 * time.Second, longOutage: 5 * time.Minute, databaseOutage: time.Minute,
	},
}

func planOf(name string) (plan, error) {
	p, ok := plans[name]
	if !ok {
		return plan{}, fmt.Errorf("--duration %q: give short or full", name)
	}
	return p, nil
}
