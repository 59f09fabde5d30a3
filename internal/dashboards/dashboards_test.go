package dashboards

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

const (
	dashboardsDir = "../../grafana/dashboards"
	sourcesDir    = "../../grafana/provisioning/datasources"
	schemaFile    = "testdata/grafana-schema-13.2.2.json"
)

func load(t *testing.T) []Dashboard {
	t.Helper()
	all, err := Load(dashboardsDir)
	require.NoError(t, err)
	return all
}

func TestUIDsAndPanelIDsAreUnique(t *testing.T) {
	uids := map[string]bool{}
	for _, d := range load(t) {
		require.NotEmpty(t, d.UID)
		require.FileExists(t, filepath.Join(dashboardsDir, d.UID+".json"), "a file is named like the uid")
		require.False(t, uids[d.UID], d.UID)
		uids[d.UID] = true
		ids := map[int]bool{}
		for _, p := range d.Panels {
			require.NotZero(t, p.ID, d.UID)
			require.False(t, ids[p.ID], "%s: panel id %d", d.UID, p.ID)
			ids[p.ID] = true
		}
	}
}

func TestDashboardsAreReadable(t *testing.T) {
	current := []string{"stat", "timeseries", "heatmap", "table", "logs", "traces", "nodeGraph"}
	drawsNumbers := []string{"stat", "timeseries", "heatmap"}
	for _, d := range load(t) {
		require.NotEmpty(t, d.Title)
		require.NotEmpty(t, d.Description, d.UID)
		require.Contains(t, d.Tags, "throughline", "the links between the dashboards go by this tag")
		require.GreaterOrEqual(t, d.SchemaVersion, 42, d.UID)
		if d.UID != "trace-and-logs" { // where a refresh would lose the reader's place
			require.Equal(t, "10s", d.Refresh, d.UID)
		}
		_, err := d.Window()
		require.NoError(t, err)
		for _, v := range d.Templating.List {
			require.NotEmpty(t, v.Label, "%s: $%s", d.UID, v.Name)
			require.NotEmpty(t, v.Description, "%s: $%s", d.UID, v.Name)
		}
		titles := map[string]bool{}
		if len(d.Panels) > 4 {
			require.True(t, d.Panels[0].IsRow(), "%s begins with a heading", d.UID)
		}
		for _, p := range d.Panels {
			where := d.UID + " / " + p.Title
			if p.IsRow() {
				require.Empty(t, p.Targets, where)
				continue
			}
			require.NotEmpty(t, p.Title, "%s: panel %d", d.UID, p.ID)
			require.False(t, titles[p.Title], "%s is there twice", where)
			titles[p.Title] = true
			require.NotEmpty(t, strings.TrimPrefix(p.Description, emptyIsHealthy), where)
			require.Contains(t, current, p.Type, where)
			fields := p.FieldConfig.Defaults
			if slices.Contains(drawsNumbers, p.Type) {
				require.NotEmpty(t, fields.Unit, where)
				require.NotEqual(t, "cps", fields.Unit, "%s: c/s is no unit; write count:<what>/s", where)
			}
			if fields.Unit == "none" && p.Type == "timeseries" {
				require.Equal(t, new(int), fields.Decimals, "%s: a count has no halves", where)
			}
			if p.EmptyIsHealthy() {
				require.NotEmpty(t, fields.NoValue, "%s: Grafana says No data without it", where)
			}
			require.NotEmpty(t, p.Targets, where)
			refs := map[string]bool{}
			for _, target := range p.Targets {
				require.NotEmpty(t, target.RefID, where)
				require.False(t, refs[target.RefID], where)
				refs[target.RefID] = true
			}
		}
	}
}

func TestEveryDatasourceIsProvisioned(t *testing.T) {
	types := map[string]string{}
	for _, s := range loadSources(t) {
		types[s.UID] = s.Type
	}
	for _, d := range load(t) {
		// Another Grafana has other uids: there the variable's choices are its own sources of the type.
		chosen := map[string]string{}
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				require.Equal(t, v.Name, v.query(), "%s: a source's variable is named by its type", d.UID)
				require.Equal(t, v.Name, types[v.value()], "%s: $%s", d.UID, v.Name)
				chosen["${"+v.Name+"}"] = v.Name
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				require.Equal(t, chosen[v.Datasource.UID], v.Datasource.Type, "%s: $%s", d.UID, v.Name)
			}
		}
		for _, a := range d.Annotations.List {
			require.Equal(t, "loki", chosen[a.Datasource.UID], "%s / %s: a query of lines", d.UID, a.Name)
		}
		for _, p := range d.Panels {
			if !p.IsRow() {
				require.NotEmpty(t, p.Datasource.Type, "%s / %s", d.UID, p.Title)
				require.Equal(t, chosen[p.Datasource.UID], p.Datasource.Type, "%s / %s", d.UID, p.Title)
			}
		}
	}
}

func TestVariablesAreDeclaredAndUsed(t *testing.T) {
	for _, d := range load(t) {
		declared := map[string]bool{}
		for _, v := range d.Templating.List {
			declared[v.Name] = true
		}
		used := map[string]bool{}
		use := func(where string, texts ...string) {
			for _, text := range texts {
				for _, match := range variable.FindAllStringSubmatch(text, -1) {
					name := match[1] + match[2]
					used[name] = true
					_, grafanas := builtIn[name]
					require.True(t, declared[name] || grafanas, "%s / %s: $%s is not declared", d.UID, where, name)
				}
			}
		}
		for _, p := range d.Panels {
			use(p.Title, p.Title, p.Datasource.UID)
			for _, target := range p.Targets {
				use(p.Title, target.Expr, target.Query, target.LegendFormat)
				use(p.Title, target.ServiceMapQuery...)
			}
		}
		for _, a := range d.Annotations.List {
			use(a.Name, a.Datasource.UID, a.Expr)
		}
		for name := range declared {
			require.True(t, used[name], "%s: $%s is not used", d.UID, name)
		}
	}
}

func TestQueriesHaveNoVariablesLeft(t *testing.T) {
	for _, d := range load(t) {
		queries, err := d.Queries(map[string]string{"trace_id": strings.Repeat("ab", 16)})
		require.NoError(t, err)
		require.NotEmpty(t, queries, d.UID)
		for _, q := range queries {
			require.NotContains(t, q.Expr, "$", q)
			require.True(t, q.Expr != "" || q.Kind == ServiceMap, q)
		}
	}
}

// Without the hint Tempo returns the first traces that it comes across.
func TestSearchesAskForTheLatestTraces(t *testing.T) {
	searches := 0
	for _, d := range load(t) {
		queries, err := d.Queries(nil)
		require.NoError(t, err)
		for _, q := range queries {
			if q.Kind == TraceQL {
				searches++
				require.Contains(t, q.Expr, "with (most_recent=true)", q)
			}
		}
	}
	require.NotZero(t, searches)
}

// Grafana 9 puts {a,b} in the place of $service into a question to Tempo, which finds nothing.
func TestSearchesWriteServicesAsAnExpression(t *testing.T) {
	for _, d := range load(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				require.NotContains(t, target.Query, "$service", p.Title)
			}
		}
	}
}

func TestNoHostIsWrittenDown(t *testing.T) {
	for _, d := range load(t) {
		text := read(t, d.UID)
		for _, host := range []string{"http://", "https://", "127.0.0.1", "localhost"} {
			require.NotContains(t, text, host, d.UID)
		}
	}
}

// Links within Grafana are paths of /d/<uid>.
var dashboardLink = regexp.MustCompile(`"url": "([^"]*)"`)

func TestLinksLeadToDashboardsAndTheirVariables(t *testing.T) {
	variables := map[string][]string{}
	all := load(t)
	for _, d := range all {
		variables[d.UID] = []string{}
		for _, v := range d.Templating.List {
			variables[d.UID] = append(variables[d.UID], v.Name)
		}
	}
	links := 0
	for _, d := range all {
		for _, match := range dashboardLink.FindAllStringSubmatch(read(t, d.UID), -1) {
			url := match[1]
			links++
			path, query, _ := strings.Cut(url, "?")
			uid, isDashboard := strings.CutPrefix(path, "/d/")
			require.True(t, isDashboard, "%s: %s", d.UID, url)
			require.Contains(t, variables, uid, "%s: %s", d.UID, url)
			for _, parameter := range strings.Split(query, "&") {
				name, _, _ := strings.Cut(parameter, "=")
				if name, isVariable := strings.CutPrefix(name, "var-"); isVariable {
					require.Contains(t, variables[uid], name, "%s: %s", d.UID, url)
				}
			}
		}
	}
	require.NotZero(t, links)
}

func TestFilesAreFormatted(t *testing.T) {
	for _, d := range load(t) {
		text := read(t, d.UID)
		var formatted bytes.Buffer
		require.NoError(t, json.Indent(&formatted, []byte(text), "", "  "))
		require.Equal(t, formatted.String(), text, "%s: indent with two spaces", d.UID)
	}
}

// TestSchema compares every field with the types of Grafana's schema, and the
// fields of the queries with [Target].
func TestSchema(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("grafana.json", document))
	check := func(t *testing.T, definition string, value any) {
		t.Helper()
		schema, err := compiler.Compile("grafana.json#/definitions/" + definition)
		require.NoError(t, err)
		require.NoError(t, schema.Validate(value))
	}
	for _, d := range load(t) {
		t.Run(d.UID, func(t *testing.T) {
			whole, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, d.UID)))
			require.NoError(t, err)
			withoutLokis(whole)
			check(t, "Dashboard", whole)

			var raw struct {
				Panels []struct {
					Type, Title string
					Targets     []json.RawMessage
					Options     any
					FieldConfig struct{ Defaults struct{ Custom any } }
				}
			}
			require.NoError(t, json.Unmarshal([]byte(read(t, d.UID)), &raw))
			for _, p := range raw.Panels {
				t.Run(p.Title, func(t *testing.T) {
					if p.Options != nil {
						check(t, p.Type+".Options", p.Options)
					}
					if p.FieldConfig.Defaults.Custom != nil {
						check(t, p.Type+".FieldConfig", p.FieldConfig.Defaults.Custom)
					}
					for _, target := range p.Targets {
						decoder := json.NewDecoder(bytes.NewReader(target))
						decoder.DisallowUnknownFields()
						require.NoError(t, decoder.Decode(new(Target)))
					}
				})
			}
		})
	}
}

func TestQueries(t *testing.T) {
	var d Dashboard
	require.NoError(t, json.Unmarshal([]byte(`{
		"uid": "d", "time": {"from": "now-30m", "to": "now"},
		"templating": {"list": [
			{"name": "service", "type": "query", "datasource": {"type": "prometheus", "uid": "prometheus"},
			 "query": {"query": "label_values(up, service_name)"}, "allValue": ".+", "current": {"value": ["$__all"]}},
			{"name": "tempo", "type": "datasource", "query": "tempo", "current": {"value": "tempo"}},
			{"name": "id", "type": "textbox", "query": "", "current": {"value": ""}}
		]},
		"panels": [
			{"title": "rate", "type": "timeseries", "description": "Empty is healthy: really.", "datasource": {"type": "prometheus", "uid": "prometheus"},
			 "targets": [{"refId": "A", "expr": "rate(up{a=~\"$service\"}[$__rate_interval])", "exemplar": true}]},
			{"title": "logs", "type": "logs", "datasource": {"type": "loki", "uid": "loki"},
			 "targets": [{"refId": "A", "expr": "{a=~\"$service\"}", "maxLines": 5}]},
			{"title": "trace", "type": "traces", "datasource": {"type": "jaeger", "uid": "jaeger"}, "targets": [{"refId": "A", "query": "${id}"}]},
			{"title": "traces", "type": "table", "datasource": {"type": "tempo", "uid": "tempo"}, "targets": [{"refId": "A", "queryType": "traceql", "query": "{}"}]},
			{"title": "rows", "type": "row"},
			{"title": "graph", "type": "nodeGraph", "datasource": {"type": "tempo", "uid": "${tempo}"}, "targets": [{"refId": "A", "queryType": "serviceMap", "serviceMapQuery": ["{a=~\"${service:pipe}\"}", "{b=\"c\"}"]}]}
		]}`), &d))
	queries, err := d.Queries(map[string]string{"id": traceID})
	require.NoError(t, err)
	query := func(panel, ref, source string, kind Kind, expr string) Query {
		return Query{Dashboard: "d", Panel: panel, RefID: ref, Datasource: source, Kind: kind, Expr: expr, Window: 30 * time.Minute}
	}
	rate := query("rate", "A", "prometheus", PromQL, `rate(up{a=~".+"}[40s])`)
	rate.Exemplars, rate.EmptyIsHealthy = true, true
	logs := query("logs", "A", "loki", LogQL, `{a=~".+"}`)
	logs.Limit = 5
	require.Equal(t, []Query{
		query("variable service", "service", "prometheus", LabelValues, "label_values(up, service_name)"),
		rate, logs,
		query("trace", "A", "jaeger", TraceByID, traceID),
		query("traces", "A", "tempo", TraceQL, "{}"),
		query("graph", "A", "tempo", ServiceMap, "{a=~\".+\"}\n{b=\"c\"}"),
	}, queries)

	d.Panels[0].Datasource.Type = "graphite"
	_, err = d.Queries(nil)
	require.ErrorContains(t, err, "graphite")
	d.Time.From = "yesterday"
	_, err = d.Queries(nil)
	require.ErrorContains(t, err, "yesterday")
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	_, err := Load(t.TempDir())
	require.ErrorContains(t, err, "grafana/dashboards")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, "broken.json")
}

func TestInterpolate(t *testing.T) {
	values := map[string]string{"service": ".+", "trace_id": "ab"}
	for text, want := range map[string]string{
		`a{b=~"$service"}`:           `a{b=~".+"}`,
		`${trace_id} ${service:raw}`: `ab .+`,
		`$unknown ${__value.raw}`:    `$unknown ${__value.raw}`,
	} {
		require.Equal(t, want, interpolate(text, values))
	}
}

func read(t *testing.T, uid string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dashboardsDir, uid+".json"))
	require.NoError(t, err)
	return string(text)
}
