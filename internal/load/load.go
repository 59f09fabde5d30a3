// Package load drives logins and reports what came of them.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Options say what to drive.
type Options struct {
	LoginURL string // of login-api, for example http://127.0.0.1:8080
	AuditURL string // of audit-mq
	// Scenario is steady logins when it is zero.
	Scenario Scenario
	Rate     int // logins per second, sent on time however slow the answers are
	Duration time.Duration
	// StoreTimeout is how long to wait after the last answer for the events to
	// be stored; zero means 30 s, and longer where a scenario delays them.
	StoreTimeout time.Duration
	// Progress is where a bar (on a terminal) or a line every few seconds goes.
	Progress io.Writer

	// What some scenarios need beside.
	RabbitMQURL string // AMQP
	OTLPGRPC    string // host:port of the collector
	// RestartAuditMQ starts audit-mq anew with these variables, "NAME=value",
	// added to its environment; without any, as it was. It is nil for one that is
	// not ours to restart.
	RestartAuditMQ func(ctx context.Context, variables ...string) error
	// Lock keeps others from starting and stopping parts until unlock is called. The
	// scenarios that restart audit-mq hold it; nil for one that is not ours.
	Lock func() (unlock func(), err error)
}

// Run drives the scenario until the duration is over or ctx ends, and then waits
// for the events of its logins to be stored. An error means that nothing was
// measured; failed logins and missing events are in the report.
func Run(ctx context.Context, options Options) (Report, error) {
	if options.Rate < 1 || options.Duration <= 0 {
		return Report{}, fmt.Errorf("a load of %d logins per second for %s is none: give a rate of at least 1 and a duration above 0",
			options.Rate, options.Duration)
	}
	if options.Scenario.Name == "" {
		options.Scenario = Scenarios[0]
	}
	scenario := options.Scenario
	var b *broker
	if scenario.poison || scenario.deadLetters {
		var err error
		if b, err = dial(options.RabbitMQURL); err != nil {
			return Report{}, err
		}
		defer b.close()
	}
	tally, err := newTally(ctx, options.AuditURL, b)
	if err != nil {
		return Report{}, err
	}
	restore, err := setFaults(ctx, options)
	if err != nil {
		return Report{}, err
	}

	report, acknowledged := drive(ctx, options, b)
	lastAnswer := time.Now()
	if !scenario.deadLetters {
		_ = restore() // a backlog drains the faster
	}
	// The user may have interrupted the load; what it did is worth counting.
	timeout := options.StoreTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
		if len(scenario.faults) > 0 {
			timeout += options.Duration
		}
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	report.Events = tally.wait(wait, lastAnswer, acknowledged, report.Events)
	report.Error = message(restore())
	return report, nil
}

// Inject drives the scenario until the duration is over or ctx ends, and then brings
// audit-mq back as it was. Unlike Run it does not wait for events to be stored, and
// its report has none.
func Inject(ctx context.Context, options Options) (Report, error) {
	var b *broker
	if options.Scenario.poison {
		var err error
		if b, err = dial(options.RabbitMQURL); err != nil {
			return Report{}, err
		}
		defer b.close()
	}
	restore, err := setFaults(ctx, options)
	if err != nil {
		return Report{}, err
	}
	report, _ := drive(ctx, options, b)
	return report, errors.Join(restore(), report.Events.failure())
}

// drive sends the scenario's requests, and its poison beside them. It returns
// the trace ids of the acknowledged logins.
func drive(ctx context.Context, options Options, b *broker) (Report, []string) {
	scenario := options.Scenario
	pacer, total := scenario.pacer(options.Rate, options.Duration)
	events := Events{givenUp: scenario.deadLetters}
	var poison sync.WaitGroup
	poisonCtx, stopPoison := context.WithCancel(ctx)
	defer stopPoison()
	if scenario.poison {
		poison.Go(func() {
			var err error
			events.Poison, err = b.poison(poisonCtx, options.OTLPGRPC)
			events.Error = message(err)
		})
	}

	progress := newProgress(options.Progress, max(1, total))
	var metrics vegeta.Metrics
	var acknowledged []string
	answered := 0
	Drive(ctx, scenario.requests(options.LoginURL), pacer, options.Duration, func(answer Answer) {
		expected := scenario.expects(answer.Code)
		if expected {
			answered++
			answer.Error = "" // of a refusal
		}
		if answer.OK() {
			acknowledged = append(acknowledged, answer.TraceID)
		}
		metrics.Add(answer.Result)
		progress.step(expected)
	})
	progress.finish()
	metrics.Close()
	stopPoison()
	poison.Wait()

	report := newReport(&metrics)
	report.Scenario = scenario.Name
	report.TargetRate = float64(total) / options.Duration.Seconds()
	if metrics.Requests > 0 {
		report.SuccessRatio = float64(answered) / float64(metrics.Requests)
	}
	report.Events = events
	return report, acknowledged
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
