// Package load drives logins at a steady rate and reports what came of them.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Options say what to drive.
type Options struct {
	LoginURL string // of login-api, for example http://127.0.0.1:8080
	AuditURL string // of audit-mq
	Rate     int    // logins per second, sent on time however slow the answers are
	Duration time.Duration
	// StoreTimeout is how long to wait after the last answer for the events to
	// be stored; zero means 30 s.
	StoreTimeout time.Duration
	// Progress is where a bar (on a terminal) or a line every few seconds goes.
	Progress io.Writer
}

// Run drives the demo users' logins, in turn, until the duration is over or
// ctx ends, and then waits for their events to be stored. An error means that
// nothing was measured; failed logins and missing events are in the report.
func Run(ctx context.Context, options Options) (Report, error) {
	if options.Rate < 1 || options.Duration <= 0 {
		return Report{}, fmt.Errorf("a load of %d logins per second for %s is none: give a rate of at least 1 and a duration above 0",
			options.Rate, options.Duration)
	}
	before, err := storedByUser(ctx, options.AuditURL)
	if err != nil {
		return Report{}, fmt.Errorf("count the stored events before the load: %w", err)
	}

	progress := newProgress(options.Progress, max(1, int(float64(options.Rate)*options.Duration.Seconds())))
	var metrics vegeta.Metrics
	var acknowledged []string // trace ids
	rate := vegeta.Rate{Freq: options.Rate, Per: time.Second}
	Drive(ctx, Logins(options.LoginURL), rate, options.Duration, func(answer Answer) {
		metrics.Add(answer.Result)
		if answer.OK() {
			acknowledged = append(acknowledged, answer.TraceID)
		}
		progress.step(answer.OK())
	})
	progress.finish()
	metrics.Close()

	report := newReport(options, &metrics)
	// The user may have interrupted the load; what it did is worth counting.
	timeout := options.StoreTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	report.Events = countEvents(ctx, options.AuditURL, before, acknowledged)
	return report, nil
}

// Report is what came of a load. Its JSON names carry the units.
type Report struct {
	TargetRate float64 `json:"targetRatePerSecond"`
	Requests   uint64  `json:"requests"`
	// Seconds is the time in which the requests were sent.
	Seconds float64 `json:"durationSeconds"`
	Rate    float64 `json:"ratePerSecond"`
	// SuccessRatio is the share of requests that were answered 200, from 0 to 1.
	SuccessRatio float64 `json:"successRatio"`
	// StatusCodes counts the answers by HTTP status; "0" counts the requests
	// without an answer.
	StatusCodes map[string]int `json:"statusCodes"`
	Latency     Latency        `json:"latencyMilliseconds"`
	// Errors is a sample of the distinct errors, at most 10.
	Errors []string `json:"errors"`
	Events Events   `json:"events"`
}

// Latency holds quantiles of the time from sending a login to having its whole
// answer, failed ones included, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func newReport(options Options, metrics *vegeta.Metrics) Report {
	const maxErrors = 10
	report := Report{
		TargetRate:  float64(options.Rate),
		Requests:    metrics.Requests,
		Seconds:     metrics.Duration.Seconds(),
		Rate:        metrics.Rate,
		StatusCodes: metrics.StatusCodes,
		Latency: Latency{
			P50: milliseconds(metrics.Latencies.P50),
			P90: milliseconds(metrics.Latencies.P90),
			P95: milliseconds(metrics.Latencies.P95),
			P99: milliseconds(metrics.Latencies.P99),
			Max: milliseconds(metrics.Latencies.Max),
		},
		Errors: append([]string{}, slices.Sorted(slices.Values(metrics.Errors))...), // [] rather than null in JSON
	}
	if metrics.Requests > 0 {
		report.SuccessRatio = float64(metrics.StatusCodes["200"]) / float64(metrics.Requests)
	}
	report.Errors = report.Errors[:min(len(report.Errors), maxErrors)]
	return report
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Err is nil when every acknowledged login is stored as far as was measured.
func (r Report) Err() error {
	switch e := r.Events; {
	case e.Error != "":
		return errors.New(e.Error)
	case e.Stored < e.Acknowledged:
		return fmt.Errorf("%d of %d acknowledged logins are not stored; look into audit-mq's log and the queues user.events.audit and user.events.audit.dead",
			e.Acknowledged-e.Stored, e.Acknowledged)
	case e.CheckedStoredOnce < e.Checked:
		return fmt.Errorf("%d of %d acknowledged logins that were looked up are not stored exactly once; look into audit-mq's log",
			e.Checked-e.CheckedStoredOnce, e.Checked)
	}
	return nil
}

// Print writes the report for a person.
func (r Report) Print(w io.Writer) error {
	text := fmt.Sprintf("requests   %d in %.1f s, %.1f/s (asked for %.0f/s)\n", r.Requests, r.Seconds, r.Rate, r.TargetRate)
	text += fmt.Sprintf("success    %.2f %%\n", 100*r.SuccessRatio)
	for i, code := range slices.Sorted(maps.Keys(r.StatusCodes)) {
		title := "status"
		if i > 0 {
			title = ""
		}
		name := code
		if code == "0" {
			name = "none"
		}
		text += fmt.Sprintf("%-9s  %-4s  %d\n", title, name, r.StatusCodes[code])
	}
	text += fmt.Sprintf("latency    p50 %.1f ms, p90 %.1f ms, p95 %.1f ms, p99 %.1f ms, max %.1f ms\n",
		r.Latency.P50, r.Latency.P90, r.Latency.P95, r.Latency.P99, r.Latency.Max)
	text += fmt.Sprintf("events     %d stored of %d acknowledged logins, %.1f s after the last answer; exactly one row for %d of %d looked up by trace id\n",
		r.Events.Stored, r.Events.Acknowledged, r.Events.WaitedSeconds, r.Events.CheckedStoredOnce, r.Events.Checked)
	for _, e := range r.Errors {
		text += "error      " + e + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
