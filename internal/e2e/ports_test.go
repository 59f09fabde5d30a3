package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/stack"
)

// What stops Tempo or Loki is a GET: no page may reach the ports that they have by
// default, however it tries.
func TestPagesDoNotReachTempoAndLoki(t *testing.T) {
	s, err := stack.New(running.Root(), func(string) string { return "" })
	require.NoError(t, err)
	var hits [3]atomic.Int64
	var addresses []string
	for i, at := range []string{s.Endpoints().Tempo, s.Endpoints().Loki, "http://127.0.0.1:0"} {
		parsed, err := url.Parse(at)
		require.NoError(t, err)
		listener, err := net.Listen("tcp", parsed.Host)
		if err != nil {
			t.Skipf("a stack runs here by its default ports: %v", err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits[i].Add(1) })}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		addresses = append(addresses, "http://"+listener.Addr().String())
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			http.Redirect(w, r, r.URL.RawQuery, http.StatusFound)
			return
		}
		fmt.Fprint(w, "<title>tried</title>")
		for _, at := range addresses {
			fmt.Fprintf(w, `<img src="%[1]s/shutdown"><img src="/to?%[1]s/shutdown"><iframe src="%[1]s/shutdown"></iframe>
				<script>fetch("%[1]s/shutdown", {mode: "no-cors"}); navigator.sendBeacon("%[1]s/shutdown", "")</script>`, at)
		}
	}))
	t.Cleanup(page.Close)

	visit := func(address string) string {
		command := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=5000", "--dump-dom", address)
		command.WaitDelay = 10 * time.Second
		shown, err := command.Output()
		require.NoError(t, err)
		return string(shown)
	}
	require.True(t, strings.Contains(visit(page.URL), "tried"))
	assert.EqualValues(t, 5, hits[2].Load(), "each way leads to another port")
	for _, at := range addresses[:2] {
		visit(at + "/shutdown") // as a link would
	}
	assert.Zero(t, hits[0].Load(), "requests to Tempo")
	assert.Zero(t, hits[1].Load(), "requests to Loki")
}
