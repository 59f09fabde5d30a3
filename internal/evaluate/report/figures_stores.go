package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot/plotter"

	"throughline/internal/evaluate/result"
)

// StoreFigures show cost, size and answers.
func (v view) StoreFigures() ([]*figure, error) {
	stores := v.StoreViews()
	var costs, sizes []bar
	var rates []int
	for _, s := range stores {
		for _, i := range s.Ingest {
			if !slices.Contains(rates, i.Rate) {
				rates = append(rates, i.Rate)
			}
		}
		if l := s.Largest(); l != nil && l.BytesPerSpan != nil {
			sizes = append(sizes, bar{label: s.Name, text: size(*l.BytesPerSpan), segments: []segment{{value: *l.BytesPerSpan, ink: s.ink}}})
		}
	}
	row := func(s storeView, value *float64) {
		if value != nil {
			costs = append(costs, bar{label: s.Name, text: cpu(*value), segments: []segment{{value: *value, ink: s.ink}}})
		}
	}
	for _, rate := range rates {
		costs = append(costs, bar{label: number(float64(rate)) + " spans a second"})
		for _, s := range stores {
			for _, i := range s.Ingest {
				if i.Rate == rate {
					row(s, i.CPUPerMillion)
				}
			}
		}
	}
	costs = append(costs, bar{label: "as fast as it goes"})
	for _, s := range stores {
		if l := s.Largest(); l != nil {
			row(s, l.CPUPerMillion)
		}
	}
	first, err := barPlot("CPU seconds of a million spans", axis{format: cpu}, costs, nil, nil)
	if err != nil {
		return nil, err
	}
	second, err := barPlot("Disk of a span", axis{format: size}, sizes, nil, nil)
	if err != nil {
		return nil, err
	}
	figures := []*figure{
		first.noting("Ingest alone, beside what the store takes idle, with all that follows until it has settled."),
		second.noting(fmt.Sprintf("With %s spans in the store, settled, after a restart; what lies in buffers does not count.", count(v.LargestSpans()))),
	}
	for _, plot := range []struct {
		title string
		note  string
		of    func(result.StoreQuery) *float64
	}{
		{"Answers, warm", "p95.", func(q result.StoreQuery) *float64 { return q.WarmP95 }},
		{"Answers, cold", "p95, after a restart, the page cache dropped before each question.", func(q result.StoreQuery) *float64 { return q.ColdP95 }},
	} {
		var rows []bar
		for _, kind := range v.kinds() {
			heading := false
			for _, s := range stores {
				for _, q := range answersOf(s) {
					if value := plot.of(q); q.Kind == kind && value != nil && q.Right {
						if !heading {
							rows, heading = append(rows, bar{label: kind}), true
						}
						rows = append(rows, bar{label: s.Name, text: milliseconds(*value), segments: []segment{{value: *value, ink: s.ink}}})
					}
				}
			}
		}
		f, err := barPlot(plot.title, axis{format: milliseconds}, rows, nil, nil)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f.noting(plot.note))
	}
	growth, err := v.growthFigure()
	return present(append(figures, growth)), err
}

// growthFigure shows the disk by size.
func (v view) growthFigure() (*figure, error) {
	var lines []series
	var widest, highest []float64
	for _, s := range v.StoreViews() {
		line := series{name: s.Name, ink: s.ink, dots: true}
		for _, at := range s.Sizes {
			if at.BytesPerSpan == nil {
				continue
			}
			x, y := float64(at.Spans), *at.BytesPerSpan*float64(at.Spans)
			line.points = append(line.points, plotter.XY{X: x, Y: y})
			widest, highest = append(widest, x), append(highest, y)
		}
		lines = append(lines, line)
	}
	f, err := linePlot("Disk by spans", axis{label: "spans", format: number, max: largest(widest...) * 1.05}, axis{format: size, max: largest(highest...) * 1.1}, lines, nil)
	return f.noting("Settled, at each size."), err
}

// CurveFigures show what a setting trades.
func (v view) CurveFigures() ([]*figure, error) {
	var figures []*figure
	for _, curve := range v.StoreCurves {
		for _, plot := range []struct {
			title string
			write func(float64) string
			value func(result.CurvePoint) *float64
		}{
			{"CPU seconds of a million spans", cpu, func(p result.CurvePoint) *float64 { return p.CPUPerMillion }},
			{"Found by a search after (p95)", seconds, func(p result.CurvePoint) *float64 { return p.FreshnessP95 }},
			{"Spans that a kill -9 loses", number, func(p result.CurvePoint) *float64 { return asFloat(p.LostByKill) }},
		} {
			var rows []bar
			for _, p := range curve.Points {
				if value := plot.value(p); value != nil {
					rows = append(rows, bar{label: p.Label, text: plot.write(*value), segments: []segment{{value: *value, ink: inkTempo}}})
				}
			}
			f, err := barPlot(plot.title, axis{format: plot.write}, rows, nil, nil)
			if err != nil {
				return nil, err
			}
			figures = append(figures, f)
		}
	}
	return present(figures), nil
}
