package stack

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fatih/color"

	"throughline/internal/terminal"
)

// Console is a Reporter for people.
type Console struct {
	mu       sync.Mutex
	out      io.Writer
	redraw   bool // out is a terminal
	drawn    bool // there is a line of progress, without a line feed
	lastLine time.Duration
	lastName string

	good, bad, dim *color.Color
}

// progressInterval is how often a build is mentioned where lines cannot be redrawn.
const progressInterval = 30 * time.Second

// NewConsole returns a Console that writes to out.
func NewConsole(out io.Writer) *Console {
	return &Console{
		out:    out,
		redraw: terminal.Is(out),
		good:   terminal.Color(out, color.FgGreen),
		bad:    terminal.Color(out, color.FgRed),
		dim:    terminal.Color(out, color.Faint),
	}
}

// Exclusively calls show with the output. Whatever there is to report waits, and
// so does not mix with what show writes.
func (c *Console) Exclusively(show func(out io.Writer)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	show(c.out)
}

// Build shows the progress in a line that is redrawn on a terminal, and in a line
// from time to time elsewhere.
func (c *Console) Build(p BuildProgress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := ""
	if p.Of > 1 {
		count = fmt.Sprintf(" (%d of %d)", p.Number, p.Of)
	}
	if p.Done {
		c.clear()
		if p.Changed {
			c.printf("%s %-15s built%s %s\n", c.good.Sprint("✓"), p.Name, count, c.dim.Sprint(seconds(p.Elapsed)))
		}
		return
	}
	line := fmt.Sprintf("· building %s%s, %s", p.Name, count, p.Elapsed.Round(time.Second))
	if left := p.Left.Round(time.Second); left > 0 {
		line += fmt.Sprintf(", about %s left", left)
	}
	if c.redraw {
		c.clear()
		c.printf("%s", line)
		c.drawn = true
		return
	}
	if p.Name != c.lastName {
		c.lastName, c.lastLine = p.Name, 0
	}
	if p.Elapsed >= c.lastLine+progressInterval {
		c.lastLine = p.Elapsed
		c.printf("%s\n", line)
	}
}

// Part shows a part that has become healthy or has stopped.
func (c *Console) Part(e PartEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var line string
	switch e.State {
	case Running:
		line = fmt.Sprintf("%s %-15s %s %s", c.good.Sprint("●"), e.Part, e.Address, c.dim.Sprint(seconds(e.Elapsed)))
	case Kept:
		line = fmt.Sprintf("%s %-15s %s %s", c.good.Sprint("●"), e.Part, e.Address, c.dim.Sprint("runs already"))
	case External:
		line = fmt.Sprintf("%s %-15s %s %s", c.good.Sprint("◌"), e.Part, e.Address, c.dim.Sprint("external"))
	case Stopped:
		line = fmt.Sprintf("%s %-15s stopped %s", c.dim.Sprint("○"), e.Part, c.dim.Sprint(seconds(e.Elapsed)))
	default:
		return
	}
	c.clear()
	c.printf("%s\n", line)
}

// Note shows the text on a line of its own.
func (c *Console) Note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.printf("· %s\n", text)
}

// clear removes the line of progress.
func (c *Console) clear() {
	if c.drawn {
		c.printf("\r\x1b[K")
		c.drawn = false
	}
}

func (c *Console) printf(format string, args ...any) { _, _ = fmt.Fprintf(c.out, format, args...) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
