// Package dashboards reads grafana/: it lists the queries of the dashboards as
// Grafana would send them, runs them, and follows the links of the data
// sources. With it a check can tell an empty panel and a dead link.
package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Dashboard is what matters here of one file of grafana/dashboards. The names
// of the fields are those of Grafana's schema.
type Dashboard struct {
	UID           string
	Title         string
	Description   string
	Tags          []string
	SchemaVersion int
	Refresh       string
	Time          struct{ From, To string }
	Annotations   struct{ List []Annotation }
	Templating    struct{ List []Variable }
	Panels        []Panel
}

// Annotation is a query whose lines are marks on every panel with a time axis. The
// last four fields are Loki's.
type Annotation struct {
	Name        string
	Datasource  Datasource
	Enable      bool
	IconColor   string
	Expr        string
	TitleFormat string // of a mark, with {{label}}
	TextFormat  string // the line itself when empty
	TagKeys     string
}

// Variable is a choice at the top of a dashboard.
type Variable struct {
	Name        string
	Label       string
	Description string
	Type        string // "query", "custom", "textbox", "datasource"
	Datasource  Datasource
	Query       json.RawMessage // a string, or an object with a string query
	Current     struct{ Value stringOrList }
	AllValue    string // what "$__all" stands for; when empty, all choices
}

// Datasource names a data source by its uid, or by "${name}" of a variable that
// holds it.
type Datasource struct{ Type, UID string }

// Panel is one picture, table or text.
type Panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Datasource  Datasource
	Targets     []Target
	FieldConfig struct {
		Defaults struct {
			Unit, NoValue string
			Decimals      *int
		}
	}
}

// IsRow tells whether it is the heading of the panels below it, and no panel.
func (p Panel) IsRow() bool { return p.Type == "row" }

// Target is one query of a panel, in the language of its data source.
type Target struct {
	RefID           string
	QueryType       string
	Expr            string       // Prometheus, Loki
	Query           string       // Tempo, Jaeger
	ServiceMapQuery stringOrList // Tempo
	LegendFormat    string
	Format          string
	Exemplar        bool
	Instant         bool
	MaxLines        int // Loki
	Limit           int // Tempo
	TableType       string
}

// emptyIsHealthy begins the description of a panel that shows nothing while all
// is well. Grafana keeps no field of ours, but it keeps a description.
const emptyIsHealthy = "Empty is healthy: "

// EmptyIsHealthy tells whether the panel shows nothing while all is well.
func (p Panel) EmptyIsHealthy() bool { return strings.HasPrefix(p.Description, emptyIsHealthy) }

// Window is the dashboard's default time range, which ends now.
func (d Dashboard) Window() (time.Duration, error) {
	length, found := strings.CutPrefix(d.Time.From, "now-")
	window, err := time.ParseDuration(length)
	if !found || err != nil || d.Time.To != "now" {
		return 0, fmt.Errorf("dashboard %s: time range %q to %q is not known here; give now-30m to now, in hours or minutes", d.UID, d.Time.From, d.Time.To)
	}
	return window, nil
}

// Load reads every dashboard (*.json) of a directory, in the order of their
// file names.
func Load(dir string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("dashboards in %s: %w", dir, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no dashboards in %s: give the directory that holds them as *.json, which is grafana/dashboards", dir)
	}
	var all []Dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a dashboard: %w", err)
		}
		var d Dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w; export it from Grafana again", file, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// stringOrList decodes "a" and ["a", "b"].
type stringOrList []string

func (s *stringOrList) UnmarshalJSON(text []byte) error {
	var list []string
	if json.Unmarshal(text, &list) == nil {
		*s = list
		return nil
	}
	var one string
	err := json.Unmarshal(text, &one)
	*s = stringOrList{one}
	return err
}
