package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// Figure is one comparison, as bench.json has it.
type Figure struct {
	Name   string   `json:"name"`
	Value  float64  `json:"value"`  // median of the rounds
	Unit   string   `json:"unit"`   // "" for a ratio
	Better string   `json:"better"` // "at least" or "at most" the target
	Target *float64 `json:"target"` // null where the figure is only reported
	OK     bool     `json:"ok"`     // true where there is no target

	median benchmath.Summary
}

const (
	atLeast = "at least"
	atMost  = "at most"
)

// comparison makes a figure out of two benchmarks of one round.
type comparison struct {
	name      string
	base, way string // benchmarks
	measured  string // unit of their results
	of        func(base, way float64) float64
	unit      string // of the figure
	better    string
	target    float64 // 0: only reported
}

// throughput compares with the bare client. Messages a second are the inverse of
// the time of a message.
func throughput(what, benchmark, way string, target float64) comparison {
	return comparison{what, benchmark + "/way=bare", benchmark + "/way=" + way, "sec/op",
		func(base, way float64) float64 { return base / way }, "", atLeast, target}
}

func duration(what, benchmark, base, way, unit string, perSecond, target float64) comparison {
	return comparison{what, benchmark + "/way=" + base, benchmark + "/way=" + way, "sec/op",
		func(base, way float64) float64 { return (way - base) * perSecond }, unit, atMost, target}
}

func allocations(what, benchmark, base, way string, target float64) comparison {
	return comparison{what, benchmark + "/way=" + base, benchmark + "/way=" + way, "allocs/op",
		func(base, way float64) float64 { return way - base }, "allocations", atMost, target}
}

const (
	awaited   = "EndToEnd/window=1"
	pipelined = "EndToEnd/window=64"

	µs = 1e6 // a second
	ns = 1e9
)

// comparisons are all that is reported. What the wrapping alone costs is what it
// costs beyond the SDK's own start and end of the same span, and beyond the header
// table of a publish.
var comparisons = []comparison{
	throughput("end to end, each confirm awaited: throughput sampled / bare", awaited, "sampled", 0.90),
	throughput("end to end, each confirm awaited: throughput dropped / bare", awaited, "dropped", 0.98),
	throughput("end to end, each confirm awaited: throughput sampled with settle spans / bare", awaited, "settle", 0),
	throughput("end to end, each confirm awaited: throughput sampled with metrics / bare", awaited, "metrics", 0),
	throughput("end to end: throughput of the article's way / bare with each confirm awaited", awaited, "article", 0),
	throughput("end to end, 64 unconfirmed: throughput sampled / bare", pipelined, "sampled", 0),
	throughput("end to end, 64 unconfirmed: throughput dropped / bare", pipelined, "dropped", 0),
	throughput("end to end, 64 unconfirmed: throughput sampled with metrics / bare", pipelined, "metrics", 0),
	duration("sampled publish, beyond the SDK's span and the headers", "Publish", "sdk-sampled", "sampled", "µs", µs, 2.0),
	duration("sampled process, beyond the SDK's span", "Process", "sdk-sampled", "sampled", "µs", µs, 2.0),
	duration("dropped publish, beyond the SDK's span and the headers", "Publish", "sdk-dropped", "dropped", "ns", ns, 300),
	allocations("dropped publish, beyond the SDK's span and the headers", "Publish", "sdk-dropped", "dropped", 2),
	duration("dropped process, beyond the SDK's span", "Process", "sdk-dropped", "dropped", "ns", ns, 300),
	allocations("dropped process, beyond the SDK's span", "Process", "sdk-dropped", "dropped", 2),
	duration("dropped publish, beyond the headers alone", "Publish", "bare", "dropped", "ns", ns, 0),
	allocations("dropped publish, beyond the headers alone", "Publish", "bare", "dropped", 0),
	duration("dropped process, beyond the handler alone", "Process", "bare", "dropped", "ns", ns, 0),
	allocations("dropped process, beyond the handler alone", "Process", "bare", "dropped", 0),
	duration("sampled publish and confirm, beyond the SDK's span and the headers", "PublishConfirmed", "sdk-sampled", "sampled", "µs", µs, 0),
	duration("dropped publish and confirm, beyond the SDK's span and the headers", "PublishConfirmed", "sdk-dropped", "dropped", "ns", ns, 0),
	allocations("dropped publish and confirm, beyond the SDK's span and the headers", "PublishConfirmed", "sdk-dropped", "dropped", 0),
}

const (
	// beforeMark is added to the ways of an earlier version.
	beforeMark = "-before"
	// earlier selects the benchmarks of which an earlier version is measured, too.
	earlier = "^BenchmarkEndToEnd$/^window=64$/^way=(sampled|dropped)$|^Benchmark(Publish|PublishConfirmed|Process)$/^way=(sampled|dropped)$"
)

// withEarlier adds the same comparisons of an earlier version, where it was measured.
func withEarlier(comparisons []comparison, measured measurements) []comparison {
	var all []comparison
	for _, c := range comparisons {
		all = append(all, c)
		if way := c.way + beforeMark; measured.values[way] != nil {
			c.name, c.way, c.target = c.name+", version before", way, 0
			all = append(all, c)
		}
	}
	return all
}

// judge makes the figures: of each comparison in every round, the median.
func judge(measured measurements, comparisons []comparison) ([]Figure, error) {
	figures := make([]Figure, len(comparisons))
	for i, c := range comparisons {
		base, way := measured.values[c.base][c.measured], measured.values[c.way][c.measured]
		if len(base) == 0 || len(base) != len(way) {
			return nil, fmt.Errorf("%s: %d results of %s and %d of %s, in %s; do these benchmarks still exist?",
				c.name, len(base), c.base, len(way), c.way, c.measured)
		}
		rounds := make([]float64, len(base))
		for round := range rounds {
			rounds[round] = c.of(base[round], way[round])
		}
		figures[i] = c.figure(rounds)
	}
	return figures, nil
}

func (c comparison) figure(rounds []float64) Figure {
	median := summarize(rounds)
	f := Figure{Name: c.name, Value: median.Center, Unit: c.unit, Better: c.better, OK: true, median: median}
	if c.target != 0 {
		f.Target = &c.target
		f.OK = c.better == atLeast && f.Value >= c.target || c.better == atMost && f.Value <= c.target
	}
	return f
}

// summarize gives the median and an interval that holds it with 95 % confidence.
func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}

func writeJSON(path string, figures []Figure) error {
	content, err := json.MarshalIndent(map[string][]Figure{"ratios": figures}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}

func printFigures(out io.Writer, figures []Figure) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "figure\tmedian\t95 %\ttarget\t") // Flush has the error
	for _, f := range figures {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Name, f.quantity(f.Value), f.interval(), f.aim(), f.verdict())
	}
	return table.Flush()
}

func (f Figure) quantity(value float64) string {
	return strings.TrimSpace(f.number(value) + " " + f.Unit)
}

func (f Figure) number(value float64) string {
	if f.Unit == "" || f.Unit == "µs" {
		return fmt.Sprintf("%.3f", value)
	}
	return fmt.Sprintf("%.0f", value)
}

// interval is that of the median, where there were rounds enough to tell.
func (f Figure) interval() string {
	if math.IsInf(f.median.Hi, 0) {
		return "too few rounds"
	}
	return f.number(f.median.Lo) + " to " + f.number(f.median.Hi)
}

func (f Figure) aim() string {
	if f.Target == nil {
		return ""
	}
	return f.Better + " " + f.quantity(*f.Target)
}

func (f Figure) verdict() string {
	switch {
	case f.Target == nil:
		return ""
	case f.OK:
		return "met"
	default:
		return "missed"
	}
}
