package load

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Report is what came of a load. Its JSON names carry the units.
type Report struct {
	Scenario string `json:"scenario"`
	// TargetRate is the mean of what was asked for.
	TargetRate float64 `json:"targetRatePerSecond"`
	Requests   uint64  `json:"requests"`
	// Seconds is the time in which the requests were sent.
	Seconds float64 `json:"durationSeconds"`
	Rate    float64 `json:"ratePerSecond"`
	// SuccessRatio is the share of requests that were answered as the scenario
	// wants, from 0 to 1: 200, or the refusal that the request asks for.
	SuccessRatio float64 `json:"successRatio"`
	// StatusCodes counts the answers by HTTP status; "0" counts the requests
	// without an answer.
	StatusCodes map[string]int `json:"statusCodes"`
	Latency     Latency        `json:"latencyMilliseconds"`
	// Errors is a sample of the distinct errors, at most 10.
	Errors []string `json:"errors"`
	Events Events   `json:"events"`
	// Error says that audit-mq was not brought back as it was.
	Error string `json:"error,omitempty"`
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

func newReport(metrics *vegeta.Metrics) Report {
	const maxErrors = 10
	report := Report{
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
	report.Errors = report.Errors[:min(len(report.Errors), maxErrors)]
	return report
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Err is nil when every acknowledged login is stored as far as was measured, and
// the stack is as it was.
func (r Report) Err() error {
	if r.Error != "" {
		return errors.New(r.Error)
	}
	return r.Events.Err()
}

// Print writes the report for a person.
func (r Report) Print(w io.Writer) error {
	text := fmt.Sprintf("scenario   %s\n", r.Scenario)
	text += fmt.Sprintf("requests   %d in %.1f s, %.1f/s (asked for %.0f/s)\n", r.Requests, r.Seconds, r.Rate, r.TargetRate)
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
	text += fmt.Sprintf("events     %s\n", r.Events)
	for _, e := range r.Errors {
		text += "error      " + e + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
