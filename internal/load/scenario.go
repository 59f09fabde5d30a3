package load

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Scenario is a load to browse the dashboards by.
type Scenario struct {
	Name string
	// Does says what it does, and Look what to look at meanwhile, on which dashboard.
	Does, Look string

	bursts   bool
	refusals bool     // some logins are such that login-api must refuse them
	poison   bool     // beside the logins, messages that nobody can decode
	faults   []string // environment of audit-mq, "NAME=value", during the load
	// deadLetters tells that acknowledged logins may end as dead letters: the
	// faults stay until each has ended there or is stored.
	deadLetters bool
}

// Scenarios are all there are; the first is the default.
var Scenarios = []Scenario{
	{
		Name: "steady",
		Does: "Logins at the same rate all the time.",
		Look: "Message flow: every hop at that rate, and no queue.",
	},
	{
		Name: "burst",
		Does: fmt.Sprintf("Logins at the rate for %v, at %d times the rate for %v, and again.", calm, burstFactor, burst),
		Look: "Message flow: latency of each hop, queue depth, time in queue.",

		bursts: true,
	},
	{
		Name: "slow-consumer",
		Does: "audit-mq takes 1 s longer for each message, which is 8 a second, until the end.",
		Look: "Message flow: queue depth and time in queue, until the queue has drained.",

		faults: []string{"AUDIT_MQ_DELAY=1s"},
	},
	{
		Name: "failing-consumer",
		Does: "audit-mq fails 7 of 10 attempts, until each message is stored or given up.",
		Look: "Message flow: retried and dead-lettered, a trace with up to 6 attempts.",

		faults:      []string{"AUDIT_MQ_FAILURE_RATIO=0.7"},
		deadLetters: true,
	},
	{
		Name: "poison",
		Does: "Beside the logins, a message a second that nobody can decode.",
		Look: "Message flow: dead letters, latest failed traces; DeadLettersGrow fires.",

		poison: true,
	},
	{
		Name: "errors",
		Does: "Every other login is refused: wrong password, unknown number, too large, ….",
		Look: "Services: HTTP answers by route and status; Message flow: logins by result.",

		refusals: true,
	},
}

// Find returns the scenario of that name.
func Find(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("there is no scenario %q: give one of %s", name, strings.Join(names, ", "))
}

// pacer returns when to send, and how many requests that are.
func (s Scenario) pacer(rate int, duration time.Duration) (vegeta.Pacer, int) {
	if s.bursts {
		p := burstPacer(rate)
		return p, p.hits(duration)
	}
	return vegeta.Rate{Freq: rate, Per: time.Second}, int(float64(rate) * duration.Seconds())
}

func (s Scenario) requests(loginURL string) []vegeta.Target {
	if s.refusals {
		return withRefusals(loginURL)
	}
	return Logins(loginURL)
}

// expects tells whether a login may be answered with the HTTP status.
func (s Scenario) expects(status uint16) bool {
	return status == http.StatusOK || s.refusals && refusal(status)
}
