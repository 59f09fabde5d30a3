package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/plotter"

	"throughline/internal/evaluate/result"
)

// freshEnough is the objective of the trace stores, in seconds.
const freshEnough = 2

// FreshnessFigures are cumulative distributions, one figure for each signal.
func (v view) FreshnessFigures() ([]*figure, error) {
	var figures []*figure
	var signals []string
	for _, f := range v.Freshness {
		if !slices.Contains(signals, f.Signal) {
			signals = append(signals, f.Signal)
		}
	}
	for _, signal := range signals {
		var lines []series
		var how []string
		var goal *limit
		right := 0.0
		if signal == result.SpansByID || signal == result.SpansBySearch {
			goal = &limit{name: "objective, 2 s", value: freshEnough, onX: true}
			right = freshEnough * 1.1
		}
		for _, f := range v.Freshness {
			if f.Signal != signal {
				continue
			}
			s := series{name: f.Store, ink: inkOf(f.Store), dashed: f.Store == result.Tempo}
			for i, value := range f.Distribution.Percentiles {
				share := float64(i) / float64(max(1, len(f.Distribution.Percentiles)-1))
				s.points = append(s.points, plotter.XY{X: value, Y: share})
				if share <= 0.99 { // the last of all must not flatten the rest
					right = largest(right, value*1.1)
				}
			}
			lines = append(lines, s)
			if !slices.Contains(how, f.How) {
				how = append(how, f.How)
			}
		}
		f, err := linePlot(signal, axis{format: seconds, max: right}, axis{format: percent, max: 1}, lines, goal)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f.noting(strings.Join(how, "; ")))
	}
	return present(figures), nil
}

// largest ignores what is no number, and is above 0.
func largest(values ...float64) float64 {
	most := 1e-6
	for _, v := range values {
		if finite(v) {
			most = math.Max(most, v)
		}
	}
	return most
}

func present(figures []*figure) []*figure {
	return slices.DeleteFunc(figures, func(f *figure) bool { return f == nil })
}

// CostFigures compare the parts.
func (v view) CostFigures() ([]*figure, error) {
	var cpuRows, memory, disk []bar
	for _, p := range v.Cost.Parts {
		color := inkOf(p.Part)
		if total := perMillion(p.CPUSeconds, v.Cost.Spans); total != nil {
			row := bar{label: p.Part, text: cpu(*total)}
			if idle := perMillion(p.IdleCPUSeconds, v.Cost.Spans); idle != nil {
				resting := math.Min(*idle, *total)
				row.segments = []segment{{value: *total - resting, ink: color}, {value: resting, ink: color, soft: true}}
			} else {
				row.segments = []segment{{value: *total, ink: color}}
			}
			cpuRows = append(cpuRows, row)
		}
		if p.MemoryMeanBytes != nil {
			mean := float64(*p.MemoryMeanBytes)
			row := bar{label: p.Part, text: size(mean), segments: []segment{{value: mean, ink: color}}}
			if p.MemoryPeakBytes != nil && *p.MemoryPeakBytes > *p.MemoryMeanBytes {
				peak := float64(*p.MemoryPeakBytes)
				row.segments = append(row.segments, segment{value: peak - mean, ink: color, soft: true})
				row.text += " – " + size(peak)
			}
			memory = append(memory, row)
		}
		if bytes := perMillion(p.DiskBytes, v.Cost.Spans); bytes != nil && *bytes > 0 {
			disk = append(disk, bar{label: p.Part, text: size(*bytes), segments: []segment{{value: *bytes, ink: color}}})
		}
	}
	var figures []*figure
	for _, plot := range []struct {
		title  string
		axis   axis
		rows   []bar
		legend []key
		how    string
	}{
		{"CPU seconds per million spans", axis{format: cpu}, cpuRows,
			[]key{{Name: "for the load", Ink: inkOther}, {Name: "as when idle", Ink: inkOther, Soft: true}},
			"Processor time of the part's processes over the load; idle: in as long a time without load."},
		{"Memory", axis{format: size}, memory,
			[]key{{Name: "mean", Ink: inkOther}, {Name: "up to the peak", Ink: inkOther, Soft: true}},
			"Of the part's processes, while the load lasted."},
		{"Disk per million spans", axis{format: size}, disk, nil,
			"By how much the part's data grew, with what is written ahead and compacted later."},
	} {
		f, err := barPlot(plot.title, plot.axis, plot.rows, plot.legend, nil)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f.noting(plot.how))
	}
	return present(figures), nil
}

// CapacityFigures show how the stack bears a rising load.
func (v view) CapacityFigures() ([]*figure, error) {
	latency := series{name: "p95 of a login", ink: inkLoginAPI, dots: true}
	freshness := series{name: "p95 of the slower store", ink: inkTempo, dots: true}
	var cores []bar
	used := map[string]bool{}
	var rates, slow, stale []float64
	for _, s := range v.Capacity.Steps {
		rates, slow, stale = append(rates, s.Rate), append(slow, s.LatencyP95), append(stale, s.FreshnessP95)
		latency.points = append(latency.points, plotter.XY{X: s.Rate, Y: s.LatencyP95})
		freshness.points = append(freshness.points, plotter.XY{X: s.Rate, Y: s.FreshnessP95})
		row := bar{label: number(s.Rate) + "/s"}
		if !s.OK {
			row.label += " ✗"
		}
		for _, part := range slices.SortedFunc(maps.Keys(s.Cores), byInk) {
			used[part] = true
			row.segments = append(row.segments, segment{value: s.Cores[part], ink: inkOf(part)})
		}
		row.text = number(row.length())
		cores = append(cores, row)
	}
	rate := axis{label: "logins per second", format: number, max: largest(rates...) * 1.05}
	first, err := linePlot("Latency", rate, axis{format: milliseconds, max: largest(slow...) * 1.1}, []series{latency}, nil)
	if err != nil {
		return nil, err
	}
	second, err := linePlot("Freshness of spans", rate, axis{format: seconds, max: largest(append(stale, freshEnough)...) * 1.1},
		[]series{freshness}, &limit{name: "objective, 2 s", value: freshEnough})
	if err != nil {
		return nil, err
	}
	var legend []key
	for _, part := range slices.SortedFunc(maps.Keys(used), byInk) {
		legend = append(legend, key{Name: part, Ink: inkOf(part)})
	}
	third, err := barPlot("Cores used", axis{format: number}, cores, legend, nil)
	return present([]*figure{
		first.noting("95th percentile of the answers at each rate."),
		second.noting("95th percentile at each rate, from a span's end until the slower of the two stores has it."),
		third.noting("During the step, by part. ✗ marks a rate at which an objective broke."),
	}), err
}

// byInk orders parts along the way of the data.
func byInk(a, b string) int {
	if d := int(inkOf(a)) - int(inkOf(b)); d != 0 {
		return d
	}
	if a < b {
		return -1
	}
	return 1
}

// CollectorFigures show each round.
func (v view) CollectorFigures() ([]*figure, error) {
	var ratios, throughput []bar
	for i, round := range v.Collector.Rounds {
		full, bare := round.Full.SpansPerCPUSecond(), round.Bare.SpansPerCPUSecond()
		name := fmt.Sprintf("round %d", i+1)
		row := bar{label: name, text: unknown}
		if bare > 0 {
			row.text = number(full / bare)
			row.segments = []segment{{value: full / bare, ink: inkCollector}}
		}
		ratios = append(ratios, row)
		throughput = append(throughput, bar{label: name},
			bar{label: "full", text: number(full), segments: []segment{{value: full, ink: inkCollector}}},
			bar{label: "bare", text: number(bare), segments: []segment{{value: bare, ink: inkCollector, soft: true}}})
	}
	first, err := barPlot("Ratio, full to bare", axis{format: number}, ratios, nil, &limit{name: "objective, 0.6", value: 0.6, onX: true})
	if err != nil {
		return nil, err
	}
	second, err := barPlot("Spans per CPU second", axis{format: number}, throughput, nil, nil)
	return present([]*figure{
		first.noting("Spans per CPU second as configured, by those of the bare forwarder in the same round."),
		second.noting("Spans accepted, by processor time of the collector."),
	}), err
}

// upToAll labels no share above 100 %.
func upToAll(share float64) string {
	if share > 1 {
		return ""
	}
	return percent(share)
}

// SamplingFigures show what became of each group.
func (v view) SamplingFigures() ([]*figure, error) {
	var rows []bar
	for _, g := range v.Sampling.Groups {
		of := float64(max(1, g.Sent))
		rows = append(rows, bar{label: g.Name, text: percent(float64(g.Whole)/of) + " whole", segments: []segment{
			{value: float64(g.Whole) / of, ink: inkGood},
			{value: float64(g.Partial) / of, ink: inkBad},
			{value: float64(g.Absent) / of, ink: inkOther, soft: true},
		}})
	}
	f, err := barPlot("What became of the traces", axis{format: upToAll}, rows, []key{
		{Name: "whole", Ink: inkGood}, {Name: "partial", Ink: inkBad}, {Name: "absent", Ink: inkOther, Soft: true},
	}, nil)
	return present([]*figure{f.noting("Each trace looked for in the store that held the least.")}), err
}
