// Package flow reads what a flow must leave behind from a file, sets the flow off and
// compares what the stores then hold with it.
package flow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/a8m/envsubst/parse"
	"github.com/google/uuid"

	"throughline/flows"
	"throughline/internal/backend"
	"throughline/internal/yamlschema"
)

// Flow is what a flow must leave behind: flows/flow.schema.json describes its fields.
type Flow struct {
	Name    string   `json:"flow"`
	Trigger Trigger  `json:"trigger"`
	Stores  []string `json:"stores"`
	Within  Duration `json:"within"`
	Others  bool     `json:"others"`
	Spans   []Span   `json:"spans"`
	Logs    []Log    `json:"logs"`
	Metrics []string `json:"metrics"`
}

// Trigger sets a flow off.
type Trigger struct {
	HTTP    *HTTP    `json:"http"`
	Message *Message `json:"message"`
	Find    *Find    `json:"find"`
}

// HTTP is a request that sets a flow off.
type HTTP struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Status  int               `json:"status"`
}

// Message is a message that sets a flow off.
type Message struct {
	Exchange   string `json:"exchange"`
	RoutingKey string `json:"routingKey"`
	Body       string `json:"body"`
	Count      int    `json:"count"`
}

// Find tells by which span the traces of a flow are found.
type Find struct {
	Service   string   `json:"service"`
	Span      string   `json:"span"`
	Attribute string   `json:"attribute"`
	Value     string   `json:"value"`
	Last      Duration `json:"last"`
}

// Span is a span that there must be, with those below it.
type Span struct {
	Name        string         `json:"span"`
	Service     string         `json:"service"`
	Kind        Kind           `json:"kind"`
	Count       *Count         `json:"count"`
	Attributes  map[string]any `json:"attributes"`
	Forbidden   []string       `json:"forbidden"`
	Status      string         `json:"status"`
	MaxDuration Duration       `json:"maxDuration"`
	MaxGap      Duration       `json:"maxGap"`
	Children    []Span         `json:"children"`
	Linked      []Span         `json:"linked"`
}

// Log is a line that there must be.
type Log struct {
	Service string `json:"service"`
	Text    string `json:"text"`
	Span    string `json:"span"`
}

// Duration is a time.Duration that a file writes as 1.5s.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Kind is a backend.Kind that a file writes in lower case.
type Kind backend.Kind

// UnmarshalJSON implements json.Unmarshaler.
func (k *Kind) UnmarshalJSON(text []byte) error {
	var kind string
	err := json.Unmarshal(text, &kind)
	*k = Kind(strings.ToUpper(kind))
	return err
}

// Count is how many spans there are, which a file writes as 3 or as at least 3.
type Count struct {
	Least  int
	OrMore bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Count) UnmarshalJSON(text []byte) error {
	digits, orMore := strings.CutPrefix(strings.Trim(string(text), `"`), "at least ")
	least, err := strconv.Atoi(digits)
	*c = Count{least, orMore}
	return err
}

// Load reads a flow file. Its variables are these, and then the environment.
func Load(path string, variables map[string]string) (Flow, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Flow{}, fmt.Errorf("flow: %w; flows/ has examples", err)
	}
	var environment []string
	for name, value := range variables {
		environment = append(environment, name+"="+value)
	}
	return read(path, text, append(environment, os.Environ()...))
}

func read(path string, text []byte, environment []string) (Flow, error) {
	environment = append([]string{"KEY=" + uuid.NewString()}, environment...)
	expand := func(text string) (string, error) {
		expanded, err := parse.New(path, environment, parse.NoUnset).Parse(text)
		if err != nil {
			return "", fmt.Errorf("%w: set it, or write ${NAME:-default}; $$ is a plain $", err)
		}
		return expanded, nil
	}
	f := Flow{Stores: []string{"jaeger", "tempo"}, Within: Duration(30 * time.Second)}
	if err := yamlschema.Decode(path, text, "flow.schema.json", flows.Schema, expand, &f); err != nil {
		return Flow{}, err
	}
	if f.Trigger.HTTP != nil && f.Trigger.Message != nil {
		return Flow{}, fmt.Errorf("%s: /trigger: http and message cannot both set it off; leave one out", path)
	}
	if h := f.Trigger.HTTP; h != nil && h.Method == "" {
		h.Method = "GET"
		if h.Body != "" {
			h.Method = "POST"
		}
	}
	if m := f.Trigger.Message; m != nil {
		m.Count = max(m.Count, 1)
	}
	if find := f.Trigger.Find; find != nil {
		find.Last = cmp.Or(find.Last, Duration(15*time.Minute))
	}
	return f, nil
}

// Login is the flow of the demo, which the whole project means by a login.
var Login = func() Flow {
	f, err := read("flows/login.yaml", flows.Login, nil) // nothing of the environment is of interest here
	if err != nil {
		panic(err) // it is built in, and a test reads it
	}
	return f
}()

// String names the span for a person.
func (s Span) String() string { return fmt.Sprintf("%s %q %s", s.Service, s.Name, s.Kind) }

// is tells whether a stored span has the name, service and kind of this one.
func (s Span) is(stored *backend.Span) bool {
	return s.Service == stored.Service && s.Name == stored.Name && backend.Kind(s.Kind) == stored.Kind
}

func (s Span) least() int {
	if s.Count == nil {
		return 1
	}
	return s.Count.Least
}

func (s Span) most() int {
	switch {
	case s.Count == nil:
		return 1
	case s.Count.OrMore:
		return math.MaxInt
	}
	return s.Count.Least
}

// Walk calls do for each span of the tree, from the top.
func Walk(spans []Span, do func(Span)) {
	for _, s := range spans {
		do(s)
		Walk(s.Children, do)
		Walk(s.Linked, do)
	}
}

// Size is the least number of spans that the flow leaves.
func Size(spans []Span) int {
	n := 0
	for _, s := range spans {
		n += s.least() * (1 + Size(s.Children))
		n += Size(s.Linked)
	}
	return n
}
