package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"throughline/internal/evaluate/result"
)

// view is the results as the templates ask for them.
type view struct{ result.Results }

// functions are what the templates write figures with.
var functions = map[string]any{
	"number": number, "count": countAny, "seconds": seconds, "milliseconds": milliseconds,
	"percent": percent, "size": size, "moment": moment, "memory": func(n uint64) string { return size(float64(n)) },
	"maybeCPU": maybe(cpu), "maybeSeconds": maybe(seconds), "maybeMilliseconds": maybe(milliseconds), "maybePercent": maybe(percent), "maybeSize": maybeSize,
	"measured": Measured, "target": Target, "verdict": verdict,
	"missing": missing, "counts": counts, "lookedUp": lookedUp, "recovery": recovery, "rose": rose, "cell": cell, "deref": func(n *int) int { return *n },
	"ordinal": func(i int) int { return i + 1 },
}

// Tally counts the objectives of a verdict.
func (v view) Tally(want string) int {
	n := 0
	for _, o := range v.Objectives {
		if verdict(o) == want {
			n++
		}
	}
	return n
}

// Why says why a step was not measured.
func (v view) Why(step string) string {
	for _, n := range v.NotRun {
		if strings.Contains(strings.ToLower(n.Step), step) {
			return n.Reason
		}
	}
	return "this run left it out"
}

// Took is how long the evaluation was, in seconds.
func (v view) Took() float64 { return v.Ended.Sub(v.Started).Seconds() }

// VersionNames are those of Machine.Versions, sorted.
func (v view) VersionNames() []string { return slices.Sorted(maps.Keys(v.Machine.Versions)) }

// partRow is a part's cost per million spans, as text.
type partRow struct{ Part, CPU, Idle, MemoryMean, MemoryPeak, Disk string }

// CostRows is the table of Cost.
func (v view) CostRows() []partRow {
	var rows []partRow
	for _, p := range v.Cost.Parts {
		row := partRow{p.Part, unknown, unknown, unknown, unknown, unknown}
		if total := perMillion(p.CPUSeconds, v.Cost.Spans); total != nil {
			row.CPU = cpu(*total)
		}
		if idle := perMillion(p.IdleCPUSeconds, v.Cost.Spans); idle != nil {
			row.Idle = cpu(*idle)
		}
		if p.MemoryMeanBytes != nil {
			row.MemoryMean = size(float64(*p.MemoryMeanBytes))
		}
		if p.MemoryPeakBytes != nil {
			row.MemoryPeak = size(float64(*p.MemoryPeakBytes))
		}
		if disk := perMillion(p.DiskBytes, v.Cost.Spans); disk != nil && *disk >= 0 {
			row.Disk = size(*disk)
		} else if disk != nil || p.DiskNote != "" {
			row.Disk = "not measured: it shrank"
		}
		rows = append(rows, row)
	}
	return rows
}

// perMillion scales what so many spans took; nil when it is not known.
func perMillion[N int64 | float64](taken *N, spans int64) *float64 {
	if taken == nil || spans <= 0 {
		return nil
	}
	scaled := float64(*taken) / float64(spans) * 1e6
	return &scaled
}

// saving is what tail sampling keeps off the disks of the trace stores.
type saving struct {
	Kept  float64 // share of the spans
	Bytes string  // per million spans sent; empty when it is not known
}

// Saving combines the steps cost and sampling.
func (v view) Saving() *saving {
	if v.Sampling == nil || v.Sampling.SpansSent <= 0 {
		return nil
	}
	s := saving{Kept: float64(v.Sampling.SpansKept) / float64(v.Sampling.SpansSent)}
	if v.Cost == nil {
		return &s
	}
	var bytes float64
	known := 0
	for _, p := range v.Cost.Parts {
		if disk := perMillion(p.DiskBytes, v.Cost.Spans); disk != nil && *disk >= 0 && (p.Part == "jaeger" || p.Part == "tempo") {
			bytes += *disk
			known++
		}
	}
	if bytes > 0 && known == 2 {
		s.Bytes = size(bytes * (1 - s.Kept))
	}
	return &s
}

// stepRow is one rate of Capacity with what it adds up to.
type stepRow struct {
	result.CapacityStep
	Total   float64 // cores
	Busiest string
}

// StepRows is the table of Capacity.
func (v view) StepRows() []stepRow {
	var rows []stepRow
	for _, s := range v.Capacity.Steps {
		row := stepRow{CapacityStep: s}
		most := 0.0
		for _, part := range slices.Sorted(maps.Keys(s.Cores)) {
			row.Total += s.Cores[part]
			if s.Cores[part] > most {
				most, row.Busiest = s.Cores[part], part
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// missing says what each store lacks: one figure when they agree that it is
// nothing.
func missing(stores []result.Missing) string {
	var words []string
	for _, m := range stores {
		if m.Missing == 0 {
			continue
		}
		word := fmt.Sprintf("%s of %s in %s", count(m.Missing), count(m.Expected), m.Store)
		if m.Explained > 0 {
			word += fmt.Sprintf(" (%s explained)", count(m.Explained))
		}
		words = append(words, word)
	}
	switch {
	case len(stores) == 0:
		return unknown
	case len(words) == 0:
		return "0"
	}
	return strings.Join(words, "; ")
}

// lookedUp writes a count of a fault's logins, unless nobody looked for them.
func lookedUp(f result.Fault, n int) string {
	if f.NotRecovered && len(f.Spans)+len(f.Logs) == 0 {
		return unknown
	}
	return count(n)
}

// recovery writes how long a fault's recovery took, or how long it was waited for.
func recovery(f result.Fault, took float64) string {
	if f.NotRecovered {
		return "not in " + seconds(f.DataRecovery)
	}
	return seconds(took)
}

// rose are those counters that did.
func rose(all []result.Count) []result.Count {
	return slices.DeleteFunc(slices.Clone(all), func(c result.Count) bool { return c.Value == 0 })
}

// counts lists the counters that rose, 0 when none did.
func counts(all []result.Count) string {
	var words []string
	for _, c := range rose(all) {
		words = append(words, c.Name+" "+count(c.Value))
	}
	if len(words) == 0 {
		return "0"
	}
	return strings.Join(words, "; ")
}

// cell makes text safe within a table of Markdown.
func cell(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "\\`").Replace(text)
}

// OfStack tells whether the stack was evaluated, and not only stores.
func (v view) OfStack() bool { return len(v.Stores) == 0 || len(v.Objectives) > 0 }
