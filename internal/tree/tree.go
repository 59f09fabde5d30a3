// Package tree prints a trace as a tree for a terminal.
package tree

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"

	"throughline/internal/backend"
	"throughline/internal/terminal"
)

// Print writes the trace to w: a headline, then one line for each span, its
// children below it in order of start. Spans whose parent is not in the trace
// stand last, below a line that names the missing parent. Colours are used
// only when w is a terminal and NO_COLOR is not set.
func Print(w io.Writer, trace backend.Trace) error {
	services := trace.Services()
	if _, err := fmt.Fprintf(w, "trace %s  %s, %s, %s\n", terminal.Color(w, color.Bold).Sprint(trace.ID),
		count(len(trace.Spans), "span"), count(len(services), "service"), human(extent(trace))); err != nil {
		return err
	}
	return PrintMarked(w, trace, nil)
}

// PrintMarked writes the lines of Print without the headline, with the mark of each
// span that has one, by its id. A span without a start has no times.
func PrintMarked(w io.Writer, trace backend.Trace, marks map[string]string) error {
	p := newPainter(w, trace)
	lines := layOut(trace)

	label := func(l line) int {
		return utf8.RuneCountInString(l.branch) + utf8.RuneCountInString(l.span.Service) + utf8.RuneCountInString(l.span.Name) + len("  ")
	}
	var labels, kinds, starts, durations int // column widths
	for _, l := range lines {
		if l.span != nil {
			labels = max(labels, label(l))
			kinds = max(kinds, len(l.span.Kind))
			start, duration := times(l)
			starts = max(starts, utf8.RuneCountInString(start))
			durations = max(durations, utf8.RuneCountInString(duration))
		}
	}

	var out strings.Builder
	for _, l := range lines {
		if l.span == nil {
			out.WriteString(p.red.Sprint("parent "+l.missing+" missing") + "\n")
			continue
		}
		start, duration := times(l)
		mark := p.errorMark(l.span)
		if text := marks[l.span.SpanID]; text != "" {
			mark = p.red.Sprint("  ✗ " + text)
		}
		fmt.Fprintf(&out, "%s%s  %s%s  %-*s  %s  %s%s\n",
			p.faint.Sprint(l.branch), p.services[l.span.Service].Sprint(l.span.Service), l.span.Name,
			strings.Repeat(" ", labels-label(l)),
			kinds, l.span.Kind,
			p.faint.Sprint(left(start, starts)), left(duration, durations),
			mark)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// times are the start and the duration of a line's span.
func times(l line) (start, duration string) {
	if l.span.Start.IsZero() {
		return "", ""
	}
	return "+" + human(l.offset), human(l.span.Duration())
}

// line is one printed line: a span, or the announcement of a missing parent.
type line struct {
	branch  string // box drawing before the service
	span    *backend.Span
	offset  time.Duration // of the span's start after the trace's
	missing string        // span id
}

func layOut(trace backend.Trace) []line {
	known := make(map[string]bool, len(trace.Spans))
	for _, s := range trace.Spans {
		known[s.SpanID] = true
	}
	// The spans of a trace are in order of start, and so are these lists.
	children := map[string][]*backend.Span{}
	var missing []string
	for i := range trace.Spans {
		s := &trace.Spans[i]
		children[s.ParentID] = append(children[s.ParentID], s)
		if s.ParentID != "" && !known[s.ParentID] && !slices.Contains(missing, s.ParentID) {
			missing = append(missing, s.ParentID)
		}
	}

	var began time.Time
	for _, s := range trace.Spans {
		if began.IsZero() || !s.Start.IsZero() && s.Start.Before(began) {
			began = s.Start
		}
	}

	var lines []line
	var add func(s *backend.Span, branch, below string)
	addAll := func(spans []*backend.Span, indent string) {
		for i, child := range spans {
			if i < len(spans)-1 {
				add(child, indent+"├─ ", indent+"│  ")
			} else {
				add(child, indent+"└─ ", indent+"   ")
			}
		}
	}
	add = func(s *backend.Span, branch, below string) {
		lines = append(lines, line{branch: branch, span: s, offset: s.Start.Sub(began)})
		spans := children[s.SpanID]
		delete(children, s.SpanID) // a span id that occurs twice must not recurse for ever
		addAll(spans, below)
	}
	for _, root := range children[""] {
		add(root, "", "")
	}
	for _, id := range missing {
		lines = append(lines, line{missing: id})
		addAll(children[id], "")
	}
	return lines
}

// painter holds the colours of one print.
type painter struct {
	faint, red *color.Color
	services   map[string]*color.Color
}

func newPainter(w io.Writer, trace backend.Trace) painter {
	p := painter{faint: terminal.Color(w, color.Faint), red: terminal.Color(w, color.FgRed, color.Bold), services: map[string]*color.Color{}}

	// A service's colour follows from its name, so that it is the same in every
	// trace; where two would share one, the later in the alphabet moves on.
	palette := []color.Attribute{color.FgCyan, color.FgMagenta, color.FgYellow, color.FgBlue, color.FgGreen, color.FgHiCyan, color.FgHiMagenta, color.FgHiYellow}
	var taken []uint32
	for _, service := range trace.Services() {
		hash := fnv.New32a()
		hash.Write([]byte(service))
		at := hash.Sum32() % uint32(len(palette))
		for len(taken) < len(palette) && slices.Contains(taken, at) {
			at = (at + 1) % uint32(len(palette))
		}
		taken = append(taken, at)
		p.services[service] = terminal.Color(w, palette[at])
	}
	return p
}

func (p painter) errorMark(s *backend.Span) string {
	if s.StatusCode != backend.StatusError {
		return ""
	}
	return p.red.Sprint("  ✗ " + strings.TrimSpace("error "+s.StatusMessage))
}

// extent is the time from the first start to the last end.
func extent(trace backend.Trace) time.Duration {
	if len(trace.Spans) == 0 {
		return 0
	}
	start, end := trace.Spans[0].Start, trace.Spans[0].End
	for _, s := range trace.Spans {
		if s.End.After(end) {
			end = s.End
		}
	}
	return end.Sub(start)
}

// human writes a duration with three significant digits at most.
func human(d time.Duration) string {
	value, unit := float64(d)/float64(time.Microsecond), "µs"
	switch {
	case d.Abs() >= time.Second:
		value, unit = d.Seconds(), "s"
	case d.Abs() >= time.Millisecond:
		value, unit = float64(d)/float64(time.Millisecond), "ms"
	}
	decimals := 0
	switch {
	case unit == "µs": // tenths of a microsecond tell nobody anything
	case value < 10:
		decimals = 2
	case value < 100:
		decimals = 1
	}
	return fmt.Sprintf("%.*f %s", decimals, value, unit)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// left pads on the left; fmt would count the bytes of µ, and the escape codes.
func left(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}
