package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const barHeight = 21

// bar is one row of a bar plot: its segments end to end, then text. One without
// segments and text is the heading of those that follow.
type bar struct {
	label    string
	segments []segment
	text     string
}

type segment struct {
	value float64
	ink   ink
	soft  bool
}

func (b bar) length() float64 {
	var sum float64
	for _, s := range b.segments {
		if finite(s.value) {
			sum += math.Max(0, s.value)
		}
	}
	return sum
}

func (b bar) heading() bool { return len(b.segments) == 0 && b.text == "" }

// barPlot draws rows of horizontal bars from zero, and the limit when it is not
// nil. It is nil when there is nothing to draw.
func barPlot(title string, value axis, rows []bar, legend []key, limit *limit) (*figure, error) {
	longest := 0.0
	for _, b := range rows {
		longest = math.Max(longest, b.length())
	}
	if longest == 0 {
		return nil, nil
	}
	value.min = 0
	if value.max == 0 {
		value.max = roomFor(rows, longest)
	}
	if limit != nil {
		value.max = math.Max(value.max, limit.value*1.15)
		legend = append(legend, key{Name: limit.name, Ink: inkBad, Dashed: true})
	}
	p := newPlot(value, axis{min: -0.5, max: float64(len(rows)) - 0.5})
	p.Y.LineStyle.Width = 0
	p.Y.Tick.Length, p.Y.Padding = 0, 5
	p.Y.Tick.Label.YAlign = draw.YCenter - 0.12 // letters seldom reach below the line
	p.Y.Tick.Label.Color = inkText.solid()
	p.X.LineStyle.Width = 0
	p.Y.Tick.Marker = names(rows)
	p.Add(gridLines(false, true), barRows(rows))
	if limit != nil {
		p.Add(limitLine{*limit})
	}
	height := vg.Length(len(rows)*barHeight + 24)
	if value.label != "" {
		height += 18
	}
	svg, err := drawn(title, plotWidth, height, p)
	return &figure{Title: title, SVG: svg, Legend: legend}, err
}

// roomFor returns the end of the axis that leaves each bar the room for its text.
func roomFor(rows []bar, longest float64) float64 {
	const character = textSize * 0.56 // the mean width of one
	label := 0
	for _, b := range rows {
		if !b.heading() {
			label = max(label, len([]rune(b.label)))
		}
	}
	area := plotWidth - 30 - float64(label)*character
	end := longest * 1.05
	for _, b := range rows {
		text := float64(len([]rune(b.text)))*character + 10
		end = math.Max(end, b.length()/math.Max(0.2, 1-text/area))
	}
	return end
}

// names labels the rows, the first on top.
type names []bar

func (n names) Ticks(float64, float64) []plot.Tick {
	var ticks []plot.Tick
	for i, b := range n {
		if !b.heading() {
			ticks = append(ticks, plot.Tick{Value: float64(len(n) - 1 - i), Label: b.label})
		}
	}
	return ticks
}

type barRows []bar

func (rows barRows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := text.Style{
		Color: inkText.solid(), Handler: plot.DefaultTextHandler, YAlign: draw.YCenter,
		Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize},
	}
	for i, b := range rows {
		middle := y(float64(len(rows) - 1 - i))
		if b.heading() {
			c.FillText(style, vg.Point{X: c.Min.X, Y: middle - 2}, b.label)
			continue
		}
		from := 0.0
		for _, s := range b.segments {
			if !finite(s.value) || s.value <= 0 {
				continue
			}
			shade := s.ink.solid()
			if s.soft {
				shade = s.ink.soft()
			}
			low, high := x(from), x(from+s.value)
			c.FillPolygon(shade, c.ClipPolygonX([]vg.Point{
				{X: low, Y: middle - barHeight*0.34}, {X: high, Y: middle - barHeight*0.34},
				{X: high, Y: middle + barHeight*0.34}, {X: low, Y: middle + barHeight*0.34},
			}))
			from += s.value
		}
		c.FillText(style, vg.Point{X: x(from) + 5, Y: middle + 1}, b.text)
	}
}
