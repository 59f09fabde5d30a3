package dashboards

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"throughline/internal/backend"
)

// Source is a data source as grafana/provisioning/datasources describes it.
type Source struct {
	UID, Name, Type, URL string
	Links                Links `yaml:"jsonData"`
}

// Links are what a click in one data source does in another. The names of the
// fields are Grafana's.
type Links struct {
	TimeInterval                string                `yaml:"timeInterval"`
	ServiceMap                  *Destination          `yaml:"serviceMap"`
	TracesToLogs                *TracesToLogs         `yaml:"tracesToLogsV2"`
	TracesToMetrics             *TracesToMetrics      `yaml:"tracesToMetrics"`
	DerivedFields               []DerivedField        `yaml:"derivedFields"`
	ExemplarTraceIDDestinations []ExemplarDestination `yaml:"exemplarTraceIdDestinations"`
}

// Destination is the data source that a link leads to; the uid is empty when
// the link leads to a page.
type Destination struct {
	DatasourceUID string `yaml:"datasourceUid"`
}

// Shift widens the time of a span for a link's query.
type Shift struct {
	Start time.Duration `yaml:"spanStartTimeShift"`
	End   time.Duration `yaml:"spanEndTimeShift"`
}

// Around is the span's time, widened.
func (s Shift) Around(span backend.Span) backend.Window {
	return backend.Window{Start: span.Start.Add(s.Start), End: span.End.Add(s.End)}
}

// TracesToLogs leads from a span to log lines.
type TracesToLogs struct {
	Destination `yaml:",inline"`
	Shift       `yaml:",inline"`
	CustomQuery bool   `yaml:"customQuery"`
	Query       string // with variables of the span
}

// LogQL is the query behind the link of the span.
func (l TracesToLogs) LogQL(span backend.Span) string { return forSpan(l.Query, span) }

// TracesToMetrics leads from a span to metrics.
type TracesToMetrics struct {
	Destination `yaml:",inline"`
	Shift       `yaml:",inline"`
	Queries     []struct {
		Name  string
		Query string // with variables of the span
	}
}

// PromQL lists the queries behind the links of the span, by their names.
func (m TracesToMetrics) PromQL(span backend.Span) map[string]string {
	queries := map[string]string{}
	for _, q := range m.Queries {
		queries[q.Name] = interpolate(forSpan(q.Query, span), builtIn)
	}
	return queries
}

// DerivedField leads from a log line to a trace.
type DerivedField struct {
	Destination  `yaml:",inline"`
	Name         string
	MatcherType  string `yaml:"matcherType"`  // "label": MatcherRegex names one
	MatcherRegex string `yaml:"matcherRegex"` // a label or structured metadata
	URL          string // the destination's query, with the variable ${__value.raw}
}

// Query is what the link of the line asks for: of a data source, a trace id. It
// is empty when the line has no such link.
func (f DerivedField) Query(line backend.LogLine) string {
	value := line.Labels[f.MatcherRegex]
	if value == "" {
		return ""
	}
	return strings.ReplaceAll(f.URL, "${__value.raw}", value)
}

// ExemplarDestination leads from an exemplar to a trace.
type ExemplarDestination struct {
	Destination `yaml:",inline"`
	Name        string // the exemplar's label that holds the trace id
}

// LoadSources reads the data sources (*.yaml) of a directory. It expands $NAME
// by getenv and $$ to $, as Grafana does.
func LoadSources(dir string, getenv func(string) string) ([]Source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("data sources in %s: %w", dir, err)
	}
	var all []Source
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read data sources: %w", err)
		}
		var root yaml.Node
		var content struct{ Datasources []Source }
		if err := yaml.Unmarshal(text, &root); err != nil {
			return nil, fmt.Errorf("data sources in %s: %w", file, err)
		}
		expand(&root, getenv)
		if err := root.Decode(&content); err != nil {
			return nil, fmt.Errorf("data sources in %s: %w", file, err)
		}
		all = append(all, content.Datasources...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no data sources in %s: give the directory that holds them as *.yaml, which is grafana/provisioning/datasources", dir)
	}
	return all, nil
}

func expand(n *yaml.Node, getenv func(string) string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		parts := strings.Split(n.Value, "$$")
		for i := range parts {
			parts[i] = os.Expand(parts[i], getenv)
		}
		n.Value = strings.Join(parts, "$")
	}
	for _, child := range n.Content {
		expand(child, getenv)
	}
}

// forSpan puts the span's values in the places of ${__span.…}. A tag is an
// attribute of the resource or, before it, of the span.
func forSpan(query string, span backend.Span) string {
	pairs := []string{
		"${__span.traceId}", span.TraceID, "${__span.spanId}", span.SpanID, "${__span.name}", span.Name,
	}
	for _, attributes := range []backend.Attributes{span.Attributes, span.Resource} {
		for key, value := range attributes {
			pairs = append(pairs, fmt.Sprintf("${__span.tags[%q]}", key), fmt.Sprint(value))
		}
	}
	return strings.NewReplacer(pairs...).Replace(query)
}
