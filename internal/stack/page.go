package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"throughline/internal/probe"
)

// console is this command itself, serving its page.
func (s *Stack) console(env *environment) *part {
	p := &part{
		name:     "console",
		version:  "source",
		needs:    []string{"tempo", "jaeger", "loki", "prometheus"},
		optional: true,
		args:     []string{"console"},
		ports:    []string{"CONSOLE_PORT"},
		env:      env.given("CONSOLE_ALLOWED_HOSTS", "GRAFANA_HOME"),
		address:  "http://" + s.at("CONSOLE_PORT"),
		ready:    probe.HTTP("http://" + s.at("CONSOLE_PORT") + "/api/config"),
		grace:    5 * time.Second,
	}
	for variable := range s.ports { // it names them all
		if variable != "CONSOLE_PORT" {
			p.env = append(p.env, s.portEnv(variable)...)
		}
	}
	slices.Sort(p.env)
	if s.broker.external {
		p.env = append(p.env, "RABBITMQ_URL="+s.broker.redacted)
	}
	if p.binary = env.binary("CONSOLE_BIN"); p.binary != "" {
		p.version = "given"
		return p
	}
	p.binary = filepath.Join(s.buildDir, "bin", "console")
	p.made = &build{
		name:     "console",
		dir:      s.root,
		packages: []string{"./cmd/throughline"},
		makes:    []string{p.binary},
		always:   true,
		before:   s.buildPage,
		usual:    90 * time.Second,
	}
	return p
}

// ConsoleAddress is where the console listens, host:port.
func (s *Stack) ConsoleAddress() string { return s.listen("CONSOLE_PORT") }

// buildPage brings console/dist, which the command embeds, up to date. Where that
// cannot be done it says so: the console then serves what was built before, or
// tells what is missing.
func (s *Stack) buildPage(ctx context.Context, reporter Reporter, tick func()) error {
	sources, current, err := s.page()
	if err != nil || current {
		return err
	}
	if _, err := exec.LookPath("npm"); err != nil {
		reporter.Note("console: its page is not built, because npm is missing: install Node.js 20.19 or later with npm and run throughline up again")
		return nil
	}
	for _, command := range [][]string{
		{"npm", "ci"},
		{"npm", "run", "build"},
	} {
		if err := s.runTool(ctx, "build-page", buildRecord, command, filepath.Join(s.root, "console"), tick); err != nil {
			var failed *Failure
			if ctx.Err() != nil || !errors.As(err, &failed) {
				return err
			}
			reporter.Note(fmt.Sprintf("console: its page, which takes Node.js 20.19 or later, is not built, because %s %s: see %s", strings.Join(command, " "), failed.Reason, failed.Log))
			return nil
		}
	}
	return writeFile(s.pageStamp(), []byte(sources))
}

// PageIsCurrent tells whether console/dist is built from what the source tree holds.
func (s *Stack) PageIsCurrent() (bool, error) {
	_, current, err := s.page()
	return current, err
}

// page returns the hash of what the page is built from, and whether it is.
func (s *Stack) page() (sources string, current bool, err error) {
	if sources, err = s.pageSources(); err != nil {
		return "", false, err
	}
	built, err := os.ReadFile(s.pageStamp())
	if errors.Is(err, fs.ErrNotExist) {
		return sources, false, nil
	}
	return sources, string(built) == sources, err
}

func (s *Stack) pageStamp() string { return filepath.Join(s.root, "console", "dist", ".sources") }

// pageSources returns a hash of all that the page is built from: the dashboards,
// and what lies in its directory but for the Go package, its tests and what npm makes.
func (s *Stack) pageSources() (string, error) {
	tree, hash := os.DirFS(s.root), sha256.New()
	add := func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case slices.Contains([]string{"console/dist", "console/node_modules", "console/test"}, name):
			return fs.SkipDir
		case !entry.Type().IsRegular() || slices.Contains([]string{".go", ".md"}, path.Ext(name)):
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		fmt.Fprintf(hash, "%s\x00%d\x00%s", name, len(content), content)
		return err
	}
	err := errors.Join(fs.WalkDir(tree, "console", add), fs.WalkDir(tree, "grafana/dashboards", add))
	return hex.EncodeToString(hash.Sum(nil)), err
}
