// Package stores measures trace stores as candidates: what it costs to fill them,
// how they grow, and how they answer. It knows nothing of the message flow.
package stores

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"throughline/internal/yamlschema"
)

// List is a file of candidates: docs/evaluate/stores.schema.json describes it.
type List struct {
	Stores []Candidate `json:"stores"`
	Curves []Curve     `json:"curves"`
}

// Candidate is a store that is measured.
type Candidate struct {
	Name string `json:"name"`
	// API is the kind of its query API: jaeger or tempo.
	API string `json:"api"`
	// OTLP is where it takes spans: host:port for gRPC, a URL for HTTP.
	OTLP string `json:"otlp"`
	// Query is the URL of its query API.
	Query string `json:"query"`

	// Command starts it, with Env, and Ready is the URL that answers 200 when it is
	// ready. Without a command it must run already.
	Command []string          `json:"command"`
	Env     map[string]string `json:"env"`
	Ready   string            `json:"ready"`
	// Grace is how long after SIGTERM it is killed, 20 s when it is empty.
	Grace string `json:"grace"`
	// Beside are programs that it needs, an object store for example. They are
	// started before it and are neither restarted nor killed.
	Beside []Beside `json:"beside"`
	// PIDFile or Container say which processes are its own where it runs already.
	PIDFile   string `json:"pidFile"`
	Container string `json:"container"`

	Disk Disk `json:"disk"`
	// Flush is a URL that makes it write what it holds in memory, when asked by GET.
	Flush string `json:"flush"`
	// Metrics is the URL of its own metrics in Prometheus format, and Rest names those
	// that are 0 when it has nothing left to do.
	Metrics string   `json:"metrics"`
	Rest    []string `json:"rest"`
	// Maintain is maintenance that Env puts off.
	Maintain *Maintain `json:"maintain"`
	// Volatile tells that it keeps nothing over a restart.
	Volatile bool `json:"volatile"`

	// Cannot names kinds of questions that it is known not to answer, and why.
	Cannot map[string]string `json:"cannot"`

	// Settings are the files with its settings, and Differs what in them differs from
	// upstream.
	Settings []string  `json:"settings"`
	Differs  []Setting `json:"differs"`
	// FullOnly leaves it out of the short plan.
	FullOnly bool `json:"fullOnly"`
}

// Beside is a program that a candidate needs.
type Beside struct {
	Name    string            `json:"name"`
	Command []string          `json:"command"`
	Env     map[string]string `json:"env"`
	Ready   string            `json:"ready"`
}

// Maintain turns maintenance on, compaction for example. It has begun at the latest
// After a start.
type Maintain struct {
	Env   map[string]string `json:"env"`
	After string            `json:"after"`
}

// Disk says where a store keeps its data.
type Disk struct {
	// Data are the directories in which spans end up, Buffers those in which they
	// lie for a while before, or beside.
	Data    []string `json:"data"`
	Buffers []string `json:"buffers"`
	// Deleted is the name of a file whose directory waits to be deleted.
	Deleted string `json:"deleted"`
}

// Setting is a difference from upstream.
type Setting struct {
	Setting  string `json:"setting"`
	Value    string `json:"value"`
	Upstream string `json:"upstream"`
	Why      string `json:"why"`
}

// Curve measures a candidate at several values of one of its variables.
type Curve struct {
	Name   string  `json:"name"`
	Store  string  `json:"store"`
	Points []Point `json:"points"`
}

// Point is one value on a curve: variables of the candidate.
type Point struct {
	Label string            `json:"label"`
	Env   map[string]string `json:"env"`
}

// With returns a list that has the stores and curves of both. A store of the other
// list takes the place of one with its name.
func (l List) With(other List) List {
	own := func(c Candidate) bool {
		return slices.ContainsFunc(other.Stores, func(o Candidate) bool { return o.Name == c.Name })
	}
	return List{
		Stores: append(slices.DeleteFunc(slices.Clone(l.Stores), own), other.Stores...),
		Curves: append(slices.Clone(l.Curves), other.Curves...),
	}
}

// Needs names the programs, built here, that the candidate runs: jaeger, tempo,
// minio.
func (c Candidate) Needs() []string {
	var names []string
	commands := slices.Clone(c.Command)
	for _, b := range c.Beside {
		for _, value := range b.Env {
			commands = append(commands, value)
		}
		commands = append(commands, b.Command...)
	}
	for _, text := range commands {
		os.Expand(text, func(variable string) string {
			if name, ok := strings.CutSuffix(variable, "_BIN"); ok && !slices.Contains(names, strings.ToLower(name)) {
				names = append(names, strings.ToLower(name))
			}
			return ""
		})
	}
	return names
}

// Load reads a list of candidates. The error names the file, and the place in it.
func Load(path, schemaPath string) (List, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return List{}, fmt.Errorf("stores: %w; docs/evaluate/stores.yaml is an example", err)
	}
	schema, err := os.ReadFile(schemaPath)
	if err != nil {
		return List{}, fmt.Errorf("stores: %w", err)
	}
	var list List
	if err := yamlschema.Decode(path, text, filepath.Base(schemaPath), schema, nil, &list); err != nil {
		return list, err
	}
	if err := list.check(); err != nil {
		return list, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// check looks for what a schema cannot say.
func (l List) check() error {
	var names []string
	for _, c := range l.Stores {
		if slices.Contains(names, c.Name) {
			return fmt.Errorf("two stores are called %q: give each a name of its own", c.Name)
		}
		names = append(names, c.Name)
	}
	for _, c := range l.Stores {
		if _, err := c.grace(); err != nil {
			return fmt.Errorf("store %q: grace: %w; write for example 5s", c.Name, err)
		}
	}
	for _, c := range l.Curves {
		if !slices.Contains(names, c.Store) {
			return fmt.Errorf("curve %q: there is no store %q in the list", c.Name, c.Store)
		}
	}
	return nil
}

func (c Candidate) grace() (time.Duration, error) {
	return time.ParseDuration(cmp.Or(c.Grace, "20s"))
}

// expand puts values for the ${VARIABLES} of a candidate: a port that nobody uses
// for each NAME_PORT, what lookup knows for the others.
func (c Candidate) expand(lookup func(string) (string, bool)) (Candidate, error) {
	var unknown []string
	value := func(text string) string {
		return os.Expand(text, func(name string) string {
			found, ok := lookup(name)
			if !ok && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
			return found
		})
	}
	all := func(texts []string) []string {
		out := make([]string, len(texts))
		for i, text := range texts {
			out[i] = value(text)
		}
		return out
	}
	env := func(variables map[string]string) map[string]string {
		out := map[string]string{}
		for name, text := range variables {
			out[name] = value(text)
		}
		return out
	}
	for _, text := range []*string{&c.OTLP, &c.Query, &c.Ready, &c.PIDFile, &c.Container, &c.Flush, &c.Metrics} {
		*text = value(*text)
	}
	c.Command, c.Env = all(c.Command), env(c.Env)
	c.Disk.Data, c.Disk.Buffers = all(c.Disk.Data), all(c.Disk.Buffers)
	c.Beside = slices.Clone(c.Beside)
	for i, b := range c.Beside {
		b.Command, b.Env, b.Ready = all(b.Command), env(b.Env), value(b.Ready)
		c.Beside[i] = b
	}
	if len(unknown) > 0 {
		return c, fmt.Errorf("store %q: no value for %s; set it in the environment, or end its name in _PORT to get a free port", c.Name, strings.Join(unknown, ", "))
	}
	return c, nil
}
