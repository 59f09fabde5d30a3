package load

import "time"

// How a burst of logins comes and goes.
const (
	calm        = 6 * time.Second
	burst       = 2 * time.Second
	burstFactor = 10
)

// burstPacer sends that many requests a second in the calm, and burstFactor
// times as many in each burst. It implements [vegeta.Pacer].
type burstPacer int

// Pace returns the wait until the next request is due.
func (p burstPacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	return p.due(hits+1) - elapsed, false // vegeta does not sleep when it is late
}

// Rate returns the requests per second at that moment.
func (p burstPacer) Rate(elapsed time.Duration) float64 {
	if elapsed%(calm+burst) < calm {
		return float64(p)
	}
	return burstFactor * float64(p)
}

// due returns when the nth request is to be sent, counted from 1.
func (p burstPacer) due(n uint64) time.Duration {
	inCalm := uint64(p) * uint64(calm/time.Second)
	inBurst := burstFactor * uint64(p) * uint64(burst/time.Second)
	cycles, rest := (n-1)/(inCalm+inBurst), (n-1)%(inCalm+inBurst)+1
	at := time.Duration(cycles) * (calm + burst)
	interval := time.Second / time.Duration(p)
	if rest <= inCalm {
		return at + time.Duration(rest)*interval
	}
	return at + calm + time.Duration(rest-inCalm)*interval/burstFactor
}

// hits returns how many requests are due within the time.
func (p burstPacer) hits(within time.Duration) int {
	n := uint64(0)
	for p.due(n+1) <= within {
		n++
	}
	return int(n)
}
