package stack

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pageTree returns a stack whose source tree has a page to build, and an npm that
// logs what it is told and then does it.
func pageTree(t *testing.T, npm string) (s *Stack, write func(name, content string)) {
	t.Helper()
	s = fakeStack(t)
	write = func(name, content string) {
		require.NoError(t, writeFile(filepath.Join(s.root, name), []byte(content)))
	}
	write("console/package.json", "{}")
	write("console/src/main.tsx", "hello")
	write("console/console.go", "package console")
	write("console/test/run.mjs", "test")
	write("grafana/dashboards/flow.json", "{}")
	bin := t.TempDir()
	if npm != "" {
		script := "#!/bin/sh\necho $* >>" + filepath.Join(s.root, "told") + "\n" + npm
		require.NoError(t, os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755))
		bin += ":/bin:/usr/bin"
	}
	t.Setenv("PATH", bin)
	return s, write
}

func told(t *testing.T, s *Stack) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.root, "told"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	_ = os.Remove(filepath.Join(s.root, "told"))
	return strings.FieldsFunc(string(content), func(r rune) bool { return r == '\n' })
}

func TestThePageIsBuiltAgainWhenItsSourcesChange(t *testing.T) {
	s, write := pageTree(t, "mkdir -p dist node_modules/a && touch dist/index.html node_modules/a/b.ts")
	build := func() []string {
		var events recorder
		require.NoError(t, s.buildPage(t.Context(), &events, func() {}))
		assert.Empty(t, events.notes)
		return told(t, s)
	}
	whole := []string{"ci --ignore-scripts", "run build"}
	assert.Equal(t, whole, build())
	assert.Empty(t, build())
	for _, source := range []string{"console/src/main.tsx", "console/src/new.tsx", "console/vite.config.ts", "grafana/dashboards/flow.json"} {
		write(source, "changed")
		assert.Equal(t, whole, build(), source)
		assert.Empty(t, build(), source)
	}
	for _, other := range []string{"console/console.go", "console/README.md", "console/test/run.mjs", "grafana/README.md"} {
		write(other, "changed")
		assert.Empty(t, build(), other)
	}
	require.NoError(t, os.RemoveAll(filepath.Join(s.root, "console", "dist")))
	assert.Equal(t, whole, build())
}

func TestAPageThatCannotBeBuiltIsToldInOneLine(t *testing.T) {
	for npm, want := range map[string]string{
		"":                          "npm is missing",
		"echo no network; exit 1":   "npm ci --ignore-scripts failed: exit status 1: see run/logs/build-page.log",
		`[ "$1" = ci ] || exit 7`:   "npm run build failed: exit status 7: see run/logs/build-page.log",
		"rm -rf dist; kill -9 $$\n": "npm ci --ignore-scripts failed: signal: killed",
	} {
		s, _ := pageTree(t, npm)
		for range 2 { // it is tried each time
			var events recorder
			require.NoError(t, s.buildPage(t.Context(), &events, func() {}))
			require.Len(t, events.notes, 1)
			assert.Contains(t, events.notes[0], want)
			assert.NotContains(t, events.notes[0], "\n")
		}
	}
}

func TestAnInterruptedPageIsNoPage(t *testing.T) {
	s, _ := pageTree(t, "sleep 60")
	ctx, interrupt := context.WithCancel(t.Context())
	assert.ErrorIs(t, s.buildPage(ctx, discard{}, interrupt), context.Canceled)
	assert.NoFileExists(t, filepath.Join(s.root, "console", "dist", ".sources"))
}

func TestUpDoesWithoutAnOptionalPart(t *testing.T) {
	s := fakeStack(t, "dies", "serves")
	s.parts[0].optional = true
	var events recorder
	require.NoError(t, s.Up(t.Context(), &events, UpOptions{}))
	assert.Equal(t, map[string]State{"dies": Stopped, "serves": Running}, states(s))
	require.Len(t, events.notes, startAttempts)
	assert.Contains(t, events.notes[startAttempts-1], "the disk is full")
}

func TestUpDoesWithoutAnOptionalPartWhosePortIsTaken(t *testing.T) {
	s := fakeStack(t, "parent", "serves")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	s.parts[0].optional = true
	s.ports["PARENT_PORT"] = listener.Addr().(*net.TCPAddr).Port
	var events recorder
	require.NoError(t, s.Up(t.Context(), &events, UpOptions{}))
	assert.Equal(t, map[string]State{"parent": Stopped, "serves": Running}, states(s))
	require.Len(t, events.notes, 1)
	assert.Contains(t, events.notes[0], "set PARENT_PORT to a free port")
}

func TestTheConsoleKnowsWhereTheOthersAre(t *testing.T) {
	s, err := newStack(t, map[string]string{"TEMPO_PORT": "4711", "RABBITMQ_URL": "amqp://app:secret@127.0.0.1:1/"})
	require.NoError(t, err)
	console, err := s.part("console")
	require.NoError(t, err)
	assert.Contains(t, console.env, "TEMPO_URL=http://127.0.0.1:4711")
	assert.NotContains(t, strings.Join(console.env, " "), "secret", "the broker is not the console's business")
}
