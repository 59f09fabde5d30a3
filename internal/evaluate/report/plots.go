package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figure is a plot as the page shows it.
type figure struct {
	Title  string
	SVG    template.HTML
	Legend []key
	Note   string
}

// noting adds how the figure was taken to what may not have been drawn.
func (f *figure) noting(note string) *figure {
	if f != nil {
		f.Note = note
	}
	return f
}

// key explains one colour of a figure.
type key struct {
	Name   string
	Ink    ink
	Soft   bool
	Dashed bool
}

// axis is one of a plot's two.
type axis struct {
	label    string
	format   func(float64) string
	min, max float64
}

const (
	plotWidth = 440 // at its natural size, in pixels
	textSize  = 11.5
)

// newPlot returns an empty plot in the style of the page.
func newPlot(x, y axis) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize}
	for _, a := range []struct {
		*plot.Axis
		axis
	}{{&p.X, x}, {&p.Y, y}} {
		a.Axis.Label.Text = a.label
		a.Axis.Label.TextStyle.Font, a.Axis.Label.TextStyle.Color = sans, inkMuted.solid()
		a.Axis.Label.Padding = 4
		a.Tick.Label.Font, a.Tick.Label.Color = sans, inkMuted.solid()
		a.Tick.Length = 3
		a.Tick.LineStyle = draw.LineStyle{Color: inkGrid.solid(), Width: 1}
		a.LineStyle = draw.LineStyle{Color: inkGrid.solid(), Width: 1}
		a.Padding = 0
		a.Tick.Marker = ticker{a.format}
		a.Axis.Min, a.Axis.Max = a.min, a.max
	}
	return p
}

// ticker labels an axis as the page writes such numbers, and skips what format
// leaves empty.
type ticker struct{ format func(float64) string }

func (t ticker) Ticks(low, high float64) []plot.Tick {
	var major []plot.Tick
	for _, tick := range (plot.DefaultTicks{}).Ticks(low, high) {
		if tick.Label == "" {
			continue
		}
		if label := t.format(tick.Value); label != "" {
			major = append(major, plot.Tick{Value: tick.Value, Label: label})
		}
	}
	return major
}

// gridLines draws behind the data what helps to read one of the axes.
func gridLines(horizontal, vertical bool) plot.Plotter {
	g := plotter.NewGrid()
	line := draw.LineStyle{Color: inkGrid.solid(), Width: 0.6}
	none := draw.LineStyle{}
	g.Horizontal, g.Vertical = none, none
	if horizontal {
		g.Horizontal = line
	}
	if vertical {
		g.Vertical = line
	}
	return g
}

var (
	svgOpening = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	svgFont    = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;?`)
)

// drawn draws plots above one another, all over the same x axis, as SVG that
// takes its colours and fonts from the page around it.
func drawn(label string, width, height vg.Length, plots ...*plot.Plot) (template.HTML, error) {
	canvas := vgsvg.New(width, height)
	rows := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		rows[i] = []*plot.Plot{p}
	}
	// What is drawn at the very edge, half a label at most, must not be cut.
	area := draw.Crop(draw.New(canvas), 1, -12, 1, -6)
	for i, c := range plot.Align(rows, draw.Tiles{Rows: len(rows), Cols: 1, PadY: 12}, area) {
		plots[i].Draw(c[0])
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return "", fmt.Errorf("draw %q: %w", label, err)
	}
	opening := fmt.Sprintf(`<svg class="plot" role="img" aria-label="%s" viewBox="0 0 %g %g">`,
		html.EscapeString(label), width.Points(), height.Points())
	svg := svgOpening.ReplaceAllLiteralString(out.String(), opening)
	svg = themed(svgFont.ReplaceAllLiteralString(svg, ""))
	return template.HTML(strings.TrimSpace(svg)), nil
}
