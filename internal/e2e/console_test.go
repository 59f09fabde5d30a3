package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/dashboards"
	"throughline/internal/demo"
	"throughline/internal/npm"
)

// scenarioTimeout bounds one scenario in the browser. The longest waits for the
// panels of all dashboards to have data.
const scenarioTimeout = 5 * time.Minute

// shownDashboard is what a scenario knows of a dashboard.
type shownDashboard struct {
	UID    string       `json:"uid"`
	Title  string       `json:"title"`
	Panels []shownPanel `json:"panels"`
}

type shownPanel struct {
	Title          string `json:"title"`
	EmptyIsHealthy bool   `json:"emptyIsHealthy"`
}

// browser plays the scenarios of console/test.
type browser struct {
	scripts, packages string
	URL               string           `json:"url"`
	Browser           string           `json:"browser"`
	Screenshots       string           `json:"screenshots"`
	Trace             string           `json:"trace"` // of a login, whole in both stores
	At                int64            `json:"at"`    // when it was, in milliseconds
	Dashboards        []shownDashboard `json:"dashboards"`
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err, "chromium is missing: make test installs it when you are root; otherwise: apt-get install chromium")
	scripts := filepath.Join(running.Root(), "console", "test")
	packages, err := npm.Install(t.Context(), running.BuildDir(), scripts, "console-test")
	require.NoError(t, err)
	// They outlive this run's own directory: the README's pictures are among them.
	kept := cmp.Or(os.Getenv("THROUGHLINE_RUN_DIR"), filepath.Join(running.Root(), ".run"))
	screenshots, err := filepath.Abs(filepath.Join(kept, "screenshots"))
	require.NoError(t, err)

	b := &browser{scripts: scripts, packages: packages, URL: running.Endpoints().Console, Browser: chromium, Screenshots: screenshots}
	current, err := running.PageIsCurrent()
	require.NoError(t, err)
	require.True(t, current, "the page could not be built; make build says why")

	all, err := dashboards.Load(filepath.Join(target.Grafana, "dashboards"))
	require.NoError(t, err)
	for _, d := range all {
		shown := shownDashboard{UID: d.UID, Title: d.Title}
		for _, p := range d.Panels {
			shown.Panels = append(shown.Panels, shownPanel{p.Title, p.EmptyIsHealthy()})
		}
		b.Dashboards = append(b.Dashboards, shown)
	}
	login := logIn(t, 1)[0]
	requireWhole(t, []demo.Login{login}, time.Minute, jaeger(), tempo())
	b.Trace, b.At = login.TraceID, login.AnsweredAt.UnixMilli()
	return b
}

// play is the subtest of one scenario.
func (b *browser) play(t *testing.T, scenario string) {
	t.Run(scenario, func(t *testing.T) {
		given, err := json.Marshal(b)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), scenarioTimeout)
		defer cancel()
		node := exec.CommandContext(ctx, "node", filepath.Join(b.scripts, "run.mjs"), scenario)
		node.Env = append(os.Environ(), "PACKAGES="+b.packages, "SCENARIO="+string(given))
		node.Cancel = func() error { return node.Process.Signal(os.Interrupt) } // which takes the browser along
		node.WaitDelay = 10 * time.Second
		output, err := node.CombinedOutput()
		t.Logf("%s", output)
		assert.NoError(t, err)
	})
}

func TestConsole(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	b := newBrowser(t)
	traffic(t)
	for _, scenario := range []string{"dashboards", "choices", "exemplar", "unknown-trace", "search", "flow", "budget", "pictures"} {
		b.play(t, scenario)
	}
	require.NoError(t, running.Stop(t.Context(), "tempo"))
	defer restart(t, "tempo")
	b.play(t, "dead-backend")
}

// traffic drives logins until the test ends, so that every rate has something to show.
func traffic(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.Tick(200 * time.Millisecond); ctx.Err() == nil; <-tick {
			_, _ = demo.LogIn(ctx, target.LoginURL, demo.Users[0])
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}
