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

// console shows the dashboards and traces. The links are to the pages of the other
// parts, and to an answer of the API of those that have no page natively: of Tempo and
// Loki by way of the console, as browsers refuse their ports.
func (s *Stack) console(env *environment, grafana *part) *part {
	e := s.Endpoints()
	links := []string{
		"jaeger-api=" + e.Jaeger + "/api/v3/services", "tempo-api=" + e.Console + "/proxy/tempo/api/search",
		"loki-api=" + e.Console + "/proxy/loki/loki/api/v1/labels", "prometheus-api=" + e.Prometheus + "/api/v1/alerts",
	}
	if grafana != nil {
		links = append(links, "grafana="+grafana.address)
	}
	if e.RabbitMQManagement != "" {
		links = append(links, "rabbitmq="+e.RabbitMQManagement)
	}
	p := &part{
		name:     "console",
		version:  "source",
		needs:    []string{"tempo", "jaeger", "loki", "prometheus"},
		optional: true,
		ports:    []string{"CONSOLE_PORT"},
		env: append([]string{
			"PROMETHEUS_URL=" + e.Prometheus,
			"LOKI_URL=" + e.Loki,
			"TEMPO_URL=" + e.Tempo,
			"JAEGER_URL=" + e.Jaeger,
			"CONSOLE_LINKS=" + strings.Join(links, " "),
			"CONSOLE_SERVICES=login-api=" + e.LoginAPI + " audit-mq=" + e.AuditMQ,
		}, env.given("CONSOLE_ALLOWED_HOSTS", "TENANT")...),
		address: "http://" + s.at("CONSOLE_PORT"),
		ready:   probe.HTTP("http://" + s.at("CONSOLE_PORT") + "/api/config"),
		grace:   5 * time.Second,
	}
	s.allowFaults(env, p)
	if p.binary = env.binary("CONSOLE_BIN"); p.binary != "" {
		p.version = "given"
		return p
	}
	p.binary = filepath.Join(s.buildDir, "bin", "console")
	p.made = &build{
		name:     "console",
		dir:      s.root,
		packages: []string{"./cmd/console"},
		makes:    []string{p.binary},
		always:   true,
		before:   s.buildPage,
		usual:    90 * time.Second,
	}
	return p
}

// allowFaults gives the console, when CONSOLE_FAULTS=allow, the command that brings
// faults about, and what the command needs to know this stack.
func (s *Stack) allowFaults(env *environment, p *part) {
	switch value := env.getenv("CONSOLE_FAULTS"); value {
	case "":
		return
	case "allow":
	default:
		env.errorf("CONSOLE_FAULTS=%s: give allow, or unset it", value)
		return
	}
	command := env.throughline()
	p.env = append(append(env.all(), p.env...), "CONSOLE_FAULTS=allow", "CONSOLE_FAULT_COMMAND="+command)
	p.grace = readyTimeout + 15*time.Second // a fault that goes on is ended first, and what it stopped is started again
}

// buildPage brings console/dist, which the console embeds, up to date. Where that
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
		{"npm", "ci", "--ignore-scripts"}, // a package may not run anything here
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
