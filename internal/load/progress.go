package load

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"throughline/internal/terminal"
)

// lineInterval is the time between two progress lines where there is no bar.
const lineInterval = 5 * time.Second

// progress shows how far a load has come: a bar on a terminal, and elsewhere,
// where a bar would fill the log, a line now and then.
type progress struct {
	out                 io.Writer
	bar                 *progressbar.ProgressBar // nil where there is no terminal
	total, done, failed int
	lastLine            time.Time
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, lastLine: time.Now()}
	if terminal.Is(out) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription("logins"),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("logins"),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// step counts one answered login.
func (p *progress) step(ok bool) {
	p.done++
	if !ok {
		p.failed++
	}
	if p.bar != nil {
		_ = p.bar.Add(1)
		return
	}
	if p.out != nil && time.Since(p.lastLine) >= lineInterval {
		p.lastLine = time.Now()
		_, _ = fmt.Fprintf(p.out, "logins: %d of %d, %d failed\n", p.done, p.total, p.failed)
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
