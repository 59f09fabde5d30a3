package evaluate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
	"throughline/internal/load"
	"throughline/internal/rabbitmq"
	"throughline/internal/verify"
)

// What a load is to keep, beside that no login fails.
const (
	latencyLimit   = 500.0 // milliseconds, 95th percentile
	freshnessLimit = 2.0   // seconds, 95th percentile
	achievedLimit  = 0.95  // of the rate that was asked for
	queueLimit     = 1.0   // seconds' worth of messages
)

const (
	// settleTimeout bounds the wait for the backlog between two steps.
	settleTimeout = time.Minute
	// loadGenerator stands among the parts for this process.
	loadGenerator = "load"
	// busy is the share of a core, or of all cores, that leaves nothing to give.
	busy = 0.9
)

// partsUnderLoad are those whose cost counts, as the data flow.
var partsUnderLoad = []string{"login-api", "user-rpc", "audit-mq", "rabbitmq", "otel-collector", "jaeger", "tempo", "loki", "prometheus"}

// capacity raises the load step by step until an objective breaks. Each step begins
// when the stores are at rest, so that what they use is for its own load.
func (l *lab) capacity(ctx context.Context) (*result.Capacity, error) {
	found := &result.Capacity{}
	for _, rate := range l.plan.capacityRates {
		stillAtWork, err := l.awaitRest(ctx)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(l.progress, "capacity: %d logins per second for %s\n", rate, l.plan.capacityStep)
		step, machine, last, err := l.hold(ctx, rate)
		if err != nil {
			return nil, err
		}
		step.StillAtWork = stillAtWork
		broken := brokenBy(step)
		if err := l.settle(ctx, last); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			broken = append(broken, fmt.Sprintf("what was left to do was not done %s later: %v", settleTimeout, err))
		}
		step.OK = len(broken) == 0
		found.Steps = append(found.Steps, step)
		if !step.OK {
			found.Broke = fmt.Sprintf("at %d logins per second: %s", rate, strings.Join(broken, "; "))
			found.AtLimit = atLimit(step, machine, runtime.NumCPU())
			break
		}
		found.Sustained = step.Rate
	}
	return found, nil
}

// hold holds one rate. Beside the step it returns how many of the machine's
// cores were busy, and the trace of the last login that was acknowledged.
func (l *lab) hold(ctx context.Context, rate int) (step result.CapacityStep, machine float64, last string, err error) {
	step.Rate = float64(rate)
	fresh := l.newSpanFreshness(ctx)
	var latencies []float64 // milliseconds
	inTime := 0

	before, err := l.cpuTimes(ctx)
	if err != nil {
		return step, 0, "", err
	}
	end := before.at.Add(l.plan.capacityStep)
	l.drive(ctx, rate, l.plan.capacityStep, func(answer load.Answer) {
		fresh.observe(answer)
		latencies = append(latencies, float64(answer.Latency)/float64(time.Millisecond))
		switch {
		case !answer.OK():
			step.Failed++
		default:
			last = answer.TraceID
			if answeredAt(answer).Before(end) {
				inTime++
			}
		}
	})
	after, err := l.cpuTimes(ctx)
	if err != nil {
		return step, 0, "", err
	}
	if step.QueueDepth, err = queueDepth(l.target.RabbitMQURL, auditQueue); err != nil {
		return step, 0, "", err
	}
	step.Achieved = float64(inTime) / l.plan.capacityStep.Seconds()
	step.LatencyP95 = distribution(latencies).P95
	for _, f := range fresh.wait() {
		if p95 := f.Distribution.P95; p95 > step.FreshnessP95 {
			step.FreshnessP95, step.SlowerStore = p95, f.Store
		}
	}
	step.Cores = after.coresSince(before)
	return step, (after.machine - before.machine) / after.at.Sub(before.at).Seconds(), last, ctx.Err()
}

// cpuTimes are CPU seconds until a moment.
type cpuTimes struct {
	at      time.Time
	parts   map[string]float64
	machine float64
}

func (l *lab) cpuTimes(ctx context.Context) (cpuTimes, error) {
	times := cpuTimes{parts: map[string]float64{}}
	for _, part := range partsUnderLoad {
		// What does not run here, a broker of the user's or a container, has no figure.
		if usage, err := l.parts.Usage(part); err == nil {
			times.parts[part] = usage.CPUSeconds
		}
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return times, fmt.Errorf("CPU time of the load generator: %w", err)
	}
	times.parts[loadGenerator] = time.Duration(own.Utime.Nano() + own.Stime.Nano()).Seconds()
	cores, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return times, fmt.Errorf("CPU time of the machine: %w", err)
	}
	for _, core := range cores {
		times.machine += core.User + core.System + core.Nice + core.Irq + core.Softirq + core.Steal
	}
	times.at = time.Now()
	return times, nil
}

func (t cpuTimes) coresSince(before cpuTimes) map[string]float64 {
	cores := map[string]float64{}
	for part, seconds := range t.parts {
		if earlier, ok := before.parts[part]; ok {
			cores[part] = (seconds - earlier) / t.at.Sub(before.at).Seconds()
		}
	}
	return cores
}

// queueDepth is how many messages wait in a queue of audit-mq's.
func queueDepth(brokerURL, name string) (int, error) {
	connection, channel, err := rabbitmq.Open(brokerURL)
	if err != nil {
		return 0, err
	}
	defer func() { _ = connection.Close() }()
	queue, err := channel.QueueDeclarePassive(name, true, false, false, false, nil)
	if err != nil {
		return 0, fmt.Errorf("queue %s: %w; audit-mq declares it at its start", name, err)
	}
	return queue.Messages, nil
}

// settle waits until no message waits and the last login's trace is stored. The
// error says what was left.
func (l *lab) settle(ctx context.Context, lastTrace string) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		depth, err := queueDepth(l.target.RabbitMQURL, auditQueue)
		if err == nil && depth == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("%d messages wait in %s", depth, auditQueue))
		case <-tick.C:
		}
	}
	if lastTrace == "" {
		return nil
	}
	for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
		if _, err := backend.WaitForSpans(ctx, store, lastTrace, verify.LoginSpans); err != nil {
			return err
		}
	}
	return nil
}

// brokenBy lists the objectives that a step has missed, with the figures.
func brokenBy(step result.CapacityStep) []string {
	var broken []string
	if step.Failed > 0 {
		broken = append(broken, fmt.Sprintf("%d logins failed", step.Failed))
	}
	if step.LatencyP95 > latencyLimit {
		broken = append(broken, fmt.Sprintf("the latency's p95 was %.0f ms, over %.0f ms", step.LatencyP95, latencyLimit))
	}
	if step.FreshnessP95 > freshnessLimit {
		broken = append(broken, fmt.Sprintf("the p95 of freshness in %s was %.1f s, over %.1f s", step.SlowerStore, step.FreshnessP95, freshnessLimit))
	}
	if step.Achieved < achievedLimit*step.Rate {
		broken = append(broken, fmt.Sprintf("%.0f logins per second were answered, less than %.0f %% of %.0f",
			step.Achieved, 100*achievedLimit, step.Rate))
	}
	if float64(step.QueueDepth) > queueLimit*step.Rate {
		broken = append(broken, fmt.Sprintf("%d messages waited in %s at the end, over %.0f s' worth", step.QueueDepth, auditQueue, queueLimit))
	}
	return broken
}

// atLimit says which part was at its limit, by the cores that each used and
// those that were busy in all; or else which part was late.
func atLimit(step result.CapacityStep, machine float64, ofMachine int) string {
	limit := limitOf(step, machine, ofMachine)
	if step.StillAtWork != "" {
		limit += fmt.Sprintf("; but %s when the step began, for what came before", step.StillAtWork)
	}
	return limit
}

func limitOf(step result.CapacityStep, machine float64, ofMachine int) string {
	most, other := "", machine
	for part, used := range step.Cores {
		other -= used
		if most == "" || used > step.Cores[most] || used == step.Cores[most] && part < most {
			most = part
		}
	}
	name, used := most, step.Cores[most]
	if name == loadGenerator {
		name = "the load generator"
	}
	if other > used {
		name, used = "what is neither a part nor the load generator", other
	}
	all := fmt.Sprintf("%.1f of the machine's %d cores were busy", machine, ofMachine)
	switch {
	case machine > busy*float64(ofMachine):
		return fmt.Sprintf("the machine: %s, %.2f of them with %s", all, used, name)
	case used > busy:
		return fmt.Sprintf("%s: it used %.2f cores, while %s", name, used, all)
	}
	if step.FreshnessP95 > freshnessLimit {
		return fmt.Sprintf("%s, and not for want of CPU: it used %.2f cores, while %s; look at its disk, and at contention within it",
			step.SlowerStore, step.Cores[strings.ToLower(step.SlowerStore)], all)
	}
	return fmt.Sprintf("not the CPU: %s, %.2f of them with %s; look at the disk, and at contention", all, used, name)
}
