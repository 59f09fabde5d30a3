package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const lineHeight = 230

// series is one line of a plot.
type series struct {
	name   string
	ink    ink
	dashed bool
	dots   bool
	points plotter.XYs
}

// limit is an objective, as a line across the plot.
type limit struct {
	name  string
	value float64
	onX   bool
}

var dashes = []vg.Length{5, 4}

// linePlot draws lines within the ranges of the axes, and the limit when it is
// not nil. It is nil when there is nothing to draw.
func linePlot(title string, x, y axis, all []series, limit *limit) (*figure, error) {
	p := newPlot(x, y)
	p.Add(gridLines(true, false))
	f := figure{Title: title}
	for _, s := range all {
		drew, err := addLine(p, s)
		if err != nil {
			return nil, err
		}
		if drew {
			f.Legend = append(f.Legend, key{Name: s.name, Ink: s.ink, Dashed: s.dashed})
		}
	}
	if len(f.Legend) == 0 {
		return nil, nil
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = x.min, x.max, y.min, y.max
	if limit != nil {
		p.Add(limitLine{*limit})
		f.Legend = append(f.Legend, key{Name: limit.name, Ink: inkBad, Dashed: true})
	}
	var err error
	f.SVG, err = drawn(title, plotWidth, lineHeight, p)
	return &f, err
}

// addLine tells whether s has anything that can be drawn.
func addLine(p *plot.Plot, s series) (bool, error) {
	var points plotter.XYs
	for _, xy := range s.points {
		if finite(xy.X) && finite(xy.Y) {
			points = append(points, xy)
		}
	}
	if len(points) == 0 {
		return false, nil
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return false, err
	}
	line.Color, line.Width = s.ink.solid(), 1.8
	if s.dashed {
		line.Dashes = dashes
	}
	p.Add(line)
	if s.dots || len(points) == 1 {
		dots, err := plotter.NewScatter(points)
		if err != nil {
			return false, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: s.ink.solid(), Radius: 3, Shape: draw.CircleGlyph{}}
		p.Add(dots)
	}
	return true, nil
}

// limitLine draws a limit from edge to edge, when it is within the plot.
type limitLine struct{ limit }

func (l limitLine) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: inkBad.solid(), Width: 1.2, Dashes: dashes}
	if l.onX {
		c.StrokeLines(style, c.ClipLinesX([]vg.Point{{X: x(l.value), Y: c.Min.Y}, {X: x(l.value), Y: c.Max.Y}})...)
		return
	}
	c.StrokeLines(style, c.ClipLinesY([]vg.Point{{X: c.Min.X, Y: y(l.value)}, {X: c.Max.X, Y: y(l.value)}})...)
}
