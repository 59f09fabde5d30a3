package dashboards

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"
)

// Kind is the language of a query.
type Kind string

// The kinds of queries that the dashboards may hold.
const (
	PromQL      Kind = "PromQL"
	LogQL       Kind = "LogQL"
	TraceQL     Kind = "TraceQL"
	TraceByID   Kind = "trace by id" // the expression is a trace id
	ServiceMap  Kind = "service map" // the expression holds selectors, one a line, or is empty
	LabelValues Kind = "label values"
)

// Query is one query as Grafana sends it when the dashboard is opened.
type Query struct {
	// Dashboard is the uid, Panel the title. The queries behind the choices of
	// a variable have "variable <name>" for a panel, those of marks "annotation <name>".
	Dashboard, Panel string
	RefID            string
	// Datasource is the uid of the data source.
	Datasource string
	Kind       Kind
	Expr       string
	// Exemplars tells whether the panel draws exemplars, too.
	Exemplars bool
	// EmptyIsHealthy tells that the query finds nothing while all is well.
	EmptyIsHealthy bool
	// Window is how far back the dashboard looks.
	Window time.Duration
	// Limit bounds the lines or traces; 0 is Grafana's default.
	Limit int
}

// String says where the query stands, for messages.
func (q Query) String() string { return fmt.Sprintf("%s / %s / %s", q.Dashboard, q.Panel, q.RefID) }

// MinStep is the time between two values of a series, as the data source
// "prometheus" is told in grafana/provisioning (timeInterval).
const MinStep = 10 * time.Second

// builtIn are Grafana's own variables. $__rate_interval is four steps.
var builtIn = map[string]string{
	"__interval":      MinStep.String(),
	"__rate_interval": (4 * MinStep).String(),
}

// Queries lists the queries behind the dashboard's variables, marks and panels. The
// variables have the given values, and else those that the dashboard opens with.
func (d Dashboard) Queries(values map[string]string) ([]Query, error) {
	window, err := d.Window()
	if err != nil {
		return nil, err
	}
	all := maps.Clone(builtIn)
	all["__range"] = window.String()
	for _, v := range d.Templating.List {
		all[v.Name] = v.value()
	}
	maps.Copy(all, values)

	var queries []Query
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			queries = append(queries, Query{
				Dashboard: d.UID, Panel: "variable " + v.Name, RefID: v.Name, Window: window,
				Datasource: interpolate(v.Datasource.UID, all), Kind: LabelValues, Expr: interpolate(v.query(), all),
			})
		}
	}
	for _, a := range d.Annotations.List {
		queries = append(queries, Query{
			Dashboard: d.UID, Panel: "annotation " + a.Name, RefID: a.Name, Window: window, EmptyIsHealthy: true,
			Datasource: interpolate(a.Datasource.UID, all), Kind: LogQL, Expr: interpolate(a.Expr, all),
		})
	}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			q := Query{
				Dashboard: d.UID, Panel: p.Title, RefID: t.RefID, Window: window,
				Datasource: interpolate(p.Datasource.UID, all), Exemplars: t.Exemplar, EmptyIsHealthy: p.EmptyIsHealthy(),
			}
			switch p.Datasource.Type {
			case "prometheus":
				q.Kind, q.Expr = PromQL, t.Expr
			case "loki":
				q.Kind, q.Expr, q.Limit = LogQL, t.Expr, t.MaxLines
			case "jaeger":
				q.Kind, q.Expr = TraceByID, t.Query
			case "tempo":
				switch {
				case t.QueryType == "serviceMap":
					q.Kind, q.Expr = ServiceMap, strings.Join(t.ServiceMapQuery, "\n")
				case p.Type == "traces":
					q.Kind, q.Expr = TraceByID, t.Query
				default:
					q.Kind, q.Expr, q.Limit = TraceQL, t.Query, t.Limit
				}
			default:
				return nil, fmt.Errorf("%s: data source type %q is not known here; use prometheus, loki, tempo or jaeger", q, p.Datasource.Type)
			}
			q.Expr = interpolate(q.Expr, all)
			queries = append(queries, q)
		}
	}
	return queries, nil
}

// value is what the variable holds when the dashboard is opened.
func (v Variable) value() string {
	chosen := []string(v.Current.Value)
	if len(chosen) == 1 && chosen[0] == "$__all" {
		return cmp.Or(v.AllValue, ".+")
	}
	return strings.Join(chosen, "|")
}

// query is the expression behind the choices of the variable.
func (v Variable) query() string {
	var object struct{ Query string }
	if json.Unmarshal(v.Query, &object) == nil {
		return object.Query
	}
	var text string
	_ = json.Unmarshal(v.Query, &text)
	return text
}

// variable matches $name, ${name}, ${name:format} and ${name.field}.
var variable = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?::\w+)?\}`)

// interpolate puts the values in the places of the variables. It leaves what it
// does not know, as Grafana does.
func interpolate(text string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		match := variable.FindStringSubmatch(found)
		if value, known := values[match[1]+match[2]]; known {
			return value
		}
		return found
	})
}
