package evaluate

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"throughline/internal/evaluate/result"
)

var storeParts = []string{"jaeger", "tempo", "loki", "prometheus"}

const collectorPart = "otel-collector"

// objectives judges what was measured. An objective whose step has no result is
// there all the same: without a value, and not reached.
func objectives(r *result.Results, p plan) []result.Objective {
	storeOutages := faultsThat(r.Faults, storeOutage)
	collectorFaults := faultsThat(r.Faults, func(f result.Fault) bool {
		return f.Part == collectorPart && (f.Kind == result.KindKill || f.Kind == result.KindOutage)
	})
	all := []result.Objective{
		messagesObjective("acknowledged logins without their row", r,
			func(f result.Fault) int { return f.MessagesLost },
			func(c *result.Correctness) *int { return c.MessagesLost }),
		messagesObjective("acknowledged logins stored twice", r,
			func(f result.Fault) int { return f.MessagesDoubled },
			func(c *result.Correctness) *int { return c.MessagesDoubled }),
		lossObjective("spans lost in outages of the stores", "spans", faultsThat(storeOutages, showsSpans), missingSpans),
		lossObjective("log records lost in outages of the stores", "log records", faultsThat(storeOutages, showsLogs), missingLogs),
		lossObjective("spans lost, collector killed or down", "spans", faultsThat(collectorFaults, showsSpans), missingSpans),
		lossObjective("log records lost, collector killed or down", "log records", faultsThat(collectorFaults, showsLogs), missingLogs),
		uncountedObjective(faultsThat(r.Faults, func(f result.Fault) bool { return showsSpans(f) || showsLogs(f) })),
		freshnessObjective(r, p, "Jaeger", "freshness p95 of spans in Jaeger"),
		freshnessObjective(r, p, "Tempo", "freshness p95 of spans in Tempo"),
		unless(r, stepCollector, efficiencyObjective(r.Collector)),
		parityObjective(r.Correctness),
		unless(r, stepSampling, samplingObjective(r.Sampling)),
		unless(r, stepSampling, spanMetricsObjective(r.Sampling)),
	}
	for i := range all {
		judge(&all[i])
	}
	return all
}

// unless marks an objective whose step does not apply here.
func unless(r *result.Results, step string, o result.Objective) result.Objective {
	for _, n := range r.NotRun {
		if n.NotApplicable && n.Step == step && o.Value == nil {
			o.NotApplicable, o.Detail = true, n.Reason
		}
	}
	return o
}

// judge sets OK. A value that is no number was not measured.
func judge(o *result.Objective) {
	if o.Value != nil && (math.IsNaN(*o.Value) || math.IsInf(*o.Value, 0)) {
		o.Value = nil
	}
	switch {
	case o.Value == nil:
		o.OK = false
	case o.AtLeast:
		o.OK = *o.Value >= o.Target
	default:
		o.OK = *o.Value <= o.Target
	}
}

// storeOutage tells of faults in which a store was away, slow, or made the
// collector keep more than it has room for.
func storeOutage(f result.Fault) bool {
	switch f.Kind {
	case result.KindOutage:
		return slices.Contains(storeParts, f.Part)
	case result.KindLongOutage, result.KindFullDisk, result.KindSlowBackend:
		return true
	}
	return false
}

func faultsThat(faults []result.Fault, keep func(result.Fault) bool) []result.Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f result.Fault) bool { return !keep(f) })
}

// lossObjective promises that nothing was lost over faults.
func lossObjective(name, unit string, faults []result.Fault, lost func(result.Fault) int) result.Objective {
	o := result.Objective{Name: name, Unit: unit}
	if len(faults) == 0 {
		o.Detail = "no such fault was measured"
		return o
	}
	var sum int
	var where []string
	for _, f := range faults {
		if n := lost(f); n != 0 {
			sum += n
			where = append(where, fmt.Sprintf("%s: %d", f.Name, n))
		}
	}
	o.Value = measured(sum)
	o.Detail = overFaults(faults)
	if len(where) > 0 {
		o.Detail += "; " + strings.Join(where, ", ")
	}
	return o
}

// messagesObjective is a sum over the faults and over the load without one.
func messagesObjective(name string, r *result.Results, inFault func(result.Fault) int, inPeace func(*result.Correctness) *int) result.Objective {
	o := lossObjective(name, "logins", r.Faults, inFault)
	if r.Correctness == nil {
		return o
	}
	n := inPeace(r.Correctness)
	if n == nil {
		return o
	}
	if o.Value == nil {
		o.Value = measured(0)
	}
	*o.Value += float64(*n)
	o.Detail += fmt.Sprintf("; %d of %d logins without a fault", *n, r.Correctness.Logins)
	return o
}

// overFaults says of how many faults a figure is the sum, and how long the longest was.
func overFaults(faults []result.Fault) string {
	longest := 0.0
	for _, f := range faults {
		longest = max(longest, f.Seconds)
	}
	word := "faults"
	if len(faults) == 1 {
		word = "fault"
	}
	return fmt.Sprintf("sum over %d %s, the longest of %s", len(faults), word,
		time.Duration(longest*float64(time.Second)).Round(time.Second))
}

// What was not looked for is not said to be there.
func showsSpans(f result.Fault) bool { return len(f.Spans) > 0 }
func showsLogs(f result.Fault) bool  { return len(f.Logs) > 0 }

func missingSpans(f result.Fault) int { return missingIn(f.Spans) }
func missingLogs(f result.Fault) int  { return missingIn(f.Logs) }

func missingIn(all []result.Missing) int {
	n := 0
	for _, m := range all {
		n += m.Missing
	}
	return n
}

// uncountedObjective promises that every loss shows in a counter.
func uncountedObjective(faults []result.Fault) result.Objective {
	o := lossObjective("losses nobody counted", "records", faults, uncountedIn)
	if o.Value != nil {
		o.Detail = "in each store, spans and log records missing, less those that a killed process is known to take with it, " +
			"less the counters of such losses; " + o.Detail
	}
	return o
}

var (
	countsSpans = regexp.MustCompile(`(?i)spans?`)
	countsLogs  = regexp.MustCompile(`(?i)\blogs?\b|log[_ ]records?`)
)

// uncountedIn is how many records of a fault are missing in the stores without an
// explanation and without a counter. A counter that names a store speaks for
// that store alone, any other for all, as of what was dropped on the way to them.
func uncountedIn(f result.Fault) int {
	n := 0
	for _, signal := range []struct {
		missing []result.Missing
		counter *regexp.Regexp
	}{{f.Spans, countsSpans}, {f.Logs, countsLogs}} {
		for _, m := range signal.missing {
			left := int64(m.Missing - m.Explained)
			for _, c := range f.Counted {
				store := storeIn(c.Name)
				if signal.counter.MatchString(c.Name) && (store == "" || strings.EqualFold(store, m.Store)) {
					left -= c.Value
				}
			}
			n += int(max(0, left))
		}
	}
	return n
}

// storeIn is the store that a counter's name names, "" when it names none.
func storeIn(counter string) string {
	for _, store := range storeParts {
		if strings.Contains(strings.ToLower(counter), store) {
			return store
		}
	}
	return ""
}

func freshnessObjective(r *result.Results, p plan, store, name string) result.Objective {
	o := result.Objective{Name: name, Unit: "s", Target: 2, Detail: "not measured"}
	for _, f := range r.Freshness {
		if f.Store == store && f.Signal == result.SpansByID && f.Distribution.Count > 0 {
			o.Value = measured(f.Distribution.P95)
			o.Detail = fmt.Sprintf("until it answers by trace id, %d times at %d logins a second", f.Distribution.Count, p.steadyRate)
		}
	}
	return o
}

func efficiencyObjective(c *result.Collector) result.Objective {
	o := result.Objective{
		Name: "collector, spans per CPU second against a bare forwarder", Unit: "ratio",
		Target: 0.6, AtLeast: true, Detail: "not measured",
	}
	if c != nil && len(c.Rounds) > 0 {
		o.Value = measured(c.Ratio)
		o.Detail = fmt.Sprintf("median of %d rounds, which gave %.2f to %.2f", len(c.Rounds), c.Min, c.Max)
	}
	return o
}

func parityObjective(c *result.Correctness) result.Objective {
	o := result.Objective{
		Name: "traces whole and alike in both stores", Unit: "share",
		Target: 1, AtLeast: true, Detail: "not measured",
	}
	if c != nil && c.TracesCompared > 0 {
		alike := min(c.TracesWhole, c.TracesCompared-c.TracesDiffering)
		o.Value = measured(float64(alike) / float64(c.TracesCompared))
		o.Detail = fmt.Sprintf("of %d traces, read from both and compared span by span", c.TracesCompared)
	}
	return o
}

func samplingObjective(s *result.Sampling) result.Objective {
	o := result.Objective{
		Name: "errors, slow and dead-lettered traces kept whole by tail sampling", Unit: "share",
		Target: 1, AtLeast: true, Detail: "not measured",
	}
	var sent, whole int
	if s != nil {
		for _, g := range s.Groups {
			if g.Expected == 1 {
				sent, whole = sent+g.Sent, whole+g.Whole
			}
		}
	}
	if sent > 0 {
		o.Value = measured(float64(whole) / float64(sent))
		o.Detail = fmt.Sprintf("of %d such traces", sent)
	}
	return o
}

// spanMetricsObjective promises that metrics made of spans count every one, and once.
func spanMetricsObjective(s *result.Sampling) result.Objective {
	o := result.Objective{Name: "spans that span metrics miss or count twice, under tail sampling", Unit: "spans", Detail: "not measured"}
	if s != nil && s.SpansSent > 0 {
		o.Value = measured(math.Abs(float64(s.MetricCalls - s.SpansSent)))
		o.Detail = fmt.Sprintf("counted %d of %d sent", s.MetricCalls, s.SpansSent)
	}
	return o
}

func measured[N int | float64](n N) *float64 {
	v := float64(n)
	return &v
}
