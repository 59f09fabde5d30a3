package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"throughline/internal/evaluate/result"
)

// FaultFigures show each fault second by second.
func (v view) FaultFigures() ([]*figure, error) {
	var figures []*figure
	for _, fault := range v.Faults {
		f, err := timeline(fault)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return present(figures), nil
}

// timeline is nil when the fault was not followed.
func timeline(fault result.Fault) (*figure, error) {
	if len(fault.Timeline) == 0 {
		return nil, nil
	}
	ok := series{ink: inkGood}
	failed := series{ink: inkBad, dashed: true}
	queued := series{ink: inkCollector}
	var most, fullest, last float64
	for _, m := range fault.Timeline {
		second := float64(m.Second)
		ok.points = append(ok.points, plotter.XY{X: second, Y: float64(m.OK)})
		failed.points = append(failed.points, plotter.XY{X: second, Y: float64(m.Failed)})
		most, last = largest(most, float64(m.OK), float64(m.Failed)), largest(last, second)
		if m.QueuedBytes != nil {
			queued.points = append(queued.points, plotter.XY{X: second, Y: *m.QueuedBytes})
			fullest = largest(fullest, *m.QueuedBytes)
		}
	}
	x := axis{format: seconds, max: last + 1}
	above := newPlot(x, axis{format: number, max: most * 1.15})
	plots := []*plot.Plot{above}
	lines := map[*plot.Plot][]series{above: {ok, failed}}
	if len(queued.points) > 0 {
		below := newPlot(x, axis{format: size, max: largest(fullest, 1000) * 1.15})
		plots = append(plots, below)
		lines[below] = []series{queued}
		above.X.Tick.Marker = plot.ConstantTicks{}
	}
	for _, p := range plots {
		ranges := [4]float64{p.X.Min, p.X.Max, p.Y.Min, p.Y.Max}
		p.Add(faulty(fault.Timeline), gridLines(true, false))
		for _, s := range lines[p] {
			if _, err := addLine(p, s); err != nil {
				return nil, err
			}
		}
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = ranges[0], ranges[1], ranges[2], ranges[3]
	}
	svg, err := drawn(fault.Name+", second by second", plotWidth*0.75, vg.Length(60+70*len(plots)), plots...)
	return &figure{Title: fault.Name, SVG: svg}, err
}

// faulty shades the seconds in which the fault was on.
type faulty []result.Moment

func (f faulty) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for i := 0; i < len(f); i++ {
		if !f[i].Faulty {
			continue
		}
		from := f[i].Second
		for i+1 < len(f) && f[i+1].Faulty {
			i++
		}
		c.FillPolygon(inkOther.faint(), c.ClipPolygonX([]vg.Point{
			{X: x(float64(from)), Y: c.Min.Y}, {X: x(float64(f[i].Second + 1)), Y: c.Min.Y},
			{X: x(float64(f[i].Second + 1)), Y: c.Max.Y}, {X: x(float64(from)), Y: c.Max.Y},
		}))
	}
}
