package report

import (
	"encoding/json"
	"html"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"throughline/internal/evaluate/result"
)

// write returns the files of the report of r, by name. When REPORT_DIR is set, the
// report stays there, to be looked at.
func write(t *testing.T, r result.Results) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if keep := os.Getenv("REPORT_DIR"); keep != "" {
		dir = filepath.Join(keep, t.Name())
	}
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
	}
	return files
}

func entries(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var sections = []string{
	"objectives", "correctness", "freshness", "cost", "capacity",
	"collector", "sampling", "faults", "not-run", "machine",
}

// section is the part of the page under one heading.
func section(t *testing.T, page, id string) string {
	t.Helper()
	_, after, found := strings.Cut(page, `<section id="`+id+`">`)
	inside, _, closed := strings.Cut(after, "</section>")
	if !found || !closed {
		t.Fatalf("the page has no section %q", id)
	}
	return inside
}

// row is the row of a table that names what is asked for.
func row(t *testing.T, text, what string) string {
	t.Helper()
	for _, part := range strings.Split(text, "<tr")[1:] {
		if row, _, _ := strings.Cut(part, "</tr>"); strings.Contains(row, html.EscapeString(what)) {
			return row
		}
	}
	t.Fatalf("no row says %q", what)
	return ""
}

func TestEveryObjectiveIsShownWithItsVerdict(t *testing.T) {
	r := sample()
	files := write(t, r)
	table := section(t, files["index.html"], "objectives")
	want := map[string]string{"met": `class="met"`, "missed": `class="missed"`, "not measured": `class="unmeasured"`}
	seen := map[string]bool{}
	for _, o := range r.Objectives {
		verdict := verdict(o)
		seen[verdict] = true
		got := row(t, table, o.Name)
		for _, part := range []string{want[verdict], ">" + verdict + "<", o.Detail} {
			if !strings.Contains(got, part) {
				t.Errorf("row of %q lacks %q:\n%s", o.Name, part, got)
			}
		}
		line := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(o.Name) + ` \|.*$`).FindString(files["summary.md"])
		if !strings.Contains(line, verdict) || strings.Contains(line, "❌") == (verdict == "met") {
			t.Errorf("summary.md says of %q: %q, want it to be %s", o.Name, line, verdict)
		}
	}
	if len(seen) != len(want) {
		t.Fatalf("the sample has only %v", seen)
	}
	for class := range map[string]bool{"tr.missed": true, "tr.unmeasured": true} {
		if !regexp.MustCompile(regexp.QuoteMeta(class) + `[^}]*\{[^}]*var\(--bad`).MatchString(files["index.html"]) {
			t.Errorf("the style does not paint %s red", class)
		}
	}
}

func TestAnObjectiveThatWasNotMeasuredIsNeverMet(t *testing.T) {
	files := write(t, result.Results{Objectives: []result.Objective{
		{Name: "without a value", OK: true}, {Name: "no number", Value: ptr(math.NaN()), OK: true},
	}})
	var document struct{ Objectives []result.Objective }
	if err := json.Unmarshal([]byte(files["results.json"]), &document); err != nil {
		t.Fatal(err)
	}
	for _, o := range document.Objectives {
		if o.OK || o.Value != nil {
			t.Errorf("results.json says of %q: %+v, want it neither measured nor met", o.Name, o)
		}
		if got := row(t, section(t, files["index.html"], "objectives"), o.Name); !strings.Contains(got, "unmeasured") {
			t.Errorf("the page does not show that %q was not measured", o.Name)
		}
	}
}

func TestSectionsShowWhatWasMeasured(t *testing.T) {
	page := write(t, sample())["index.html"]
	plots := map[string]int{"freshness": 4, "cost": 3, "capacity": 3, "collector": 2, "sampling": 1, "faults": len(sample().Faults)}
	for _, id := range sections {
		text := section(t, page, id)
		if strings.Contains(text, "Not measured:") {
			t.Errorf("%s is said not to be measured", id)
		}
		if got := strings.Count(text, `<svg class="plot"`); got != plots[id] {
			t.Errorf("%s has %d plots, want %d", id, got, plots[id])
		}
		if !strings.Contains(page, `href="#`+id+`"`) {
			t.Errorf("the contents do not lead to %s", id)
		}
	}
	if address := regexp.MustCompile(`0x[0-9a-f]{6,}|%!`).FindString(page); address != "" {
		t.Errorf("the page shows an address or a failed format: %s", address)
	}
	for id, words := range map[string][]string{
		"correctness": {"does not balance", "without a row</dt><dd>0<", "otelcol_exporter_send_failed_log_records_total 2", "tempo lacks span"},
		"freshness":   {"objective, 2 s", "2.27 s"},
		"cost":        {"388 MB", "Tail sampling kept 32.4 %"},
		"capacity":    {"200 logins a second", "At its limit: jaeger"},
		"collector":   {"0.634", "objective, 0.6"},
		"sampling":    {"dead-lettered", "99.5 % whole", "32,000 of 32,000"},
		"faults":      {"112 of 1,600 in Jaeger", "login-api dropped spans 24", "600 of 760", "5 min", "otel-collector 220 MB of 302 MB"},
		"not-run":     {"mount needs root"},
		"machine":     {"AMD EPYC 7B13", "2.13.0"},
	} {
		for _, word := range words {
			if !strings.Contains(section(t, page, id), word) {
				t.Errorf("%s does not say %q", id, word)
			}
		}
	}
}

// Both stores' curves must be told apart without their colours.
func TestTempoIsDashedWhereJaegerIsNot(t *testing.T) {
	text := section(t, write(t, sample())["index.html"], "freshness")
	for _, key := range []string{`<li class="ink-tempo dashed">Tempo</li>`, `<li class="ink-jaeger">Jaeger</li>`} {
		if got := strings.Count(text, key); got != 2 {
			t.Errorf("%s stands there %d times, want it for spans by id and by search", key, got)
		}
	}
}

func TestWhatWasNotMeasuredIsSaidWithItsReason(t *testing.T) {
	steps := map[string]string{
		"correctness": "correctness", "freshness": "freshness", "cost": "cost", "capacity": "capacity",
		"collector": "collector", "sampling": "sampling", "faults": "faults",
	}
	var r result.Results
	for _, step := range steps {
		r.NotRun = append(r.NotRun, result.NotRun{Step: step, Reason: "no " + step + " today"})
	}
	page := write(t, r)["index.html"]
	for id, step := range steps {
		if text := section(t, page, id); !strings.Contains(text, "Not measured:") || !strings.Contains(text, "no "+step+" today") {
			t.Errorf("%s does not say why it was not measured:\n%s", id, text)
		}
	}
	page = write(t, result.Results{})["index.html"]
	for id := range steps {
		if !strings.Contains(section(t, page, id), "Not measured:") {
			t.Errorf("%s does not say that it was not measured", id)
		}
	}
}

func TestPartsWithoutContentAreWritten(t *testing.T) {
	for name, r := range map[string]result.Results{
		"filled": filled(),
		"bare": {
			Correctness: &result.Correctness{Accounts: make([]result.Account, 1)}, Cost: &result.Cost{Parts: make([]result.PartCost, 1)},
			Capacity:  &result.Capacity{Steps: make([]result.CapacityStep, 1)},
			Collector: &result.Collector{Rounds: make([]result.CollectorRound, 1)}, Sampling: &result.Sampling{Groups: make([]result.SamplingGroup, 1)},
			Freshness: make([]result.Freshness, 1), Faults: []result.Fault{{Timeline: make([]result.Moment, 1)}},
		},
	} {
		t.Run(name, func(t *testing.T) { write(t, r) })
	}
}

func TestThePageStandsAlone(t *testing.T) {
	page := write(t, sample())["index.html"]
	for _, reference := range regexp.MustCompile(`(?i)(?:src|href|xlink:href|action)="([^"]*)"|url\(([^)]*)\)|@import`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(reference[1], "#") && reference[1] != "results.json" {
			t.Errorf("the page refers to %q", reference[0])
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page has a script")
	}
	if strings.Contains(page, "#FE") {
		t.Error("a plot has a colour that is not of the page's style")
	}
	for _, name := range inkNames {
		if !strings.Contains(page, "--"+name+":") || !strings.Contains(page, ".ink-"+name+" ") {
			t.Errorf("the style lacks the colour %q", name)
		}
	}
}

func TestWhatIsNoNumberStaysOut(t *testing.T) {
	for name, bad := range map[string]float64{"NaN": math.NaN(), "+Inf": math.Inf(1), "-Inf": math.Inf(-1)} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			r.Faults = r.Faults[:1]
			r.Objectives[0].Value = &bad
			r.Freshness[0].Distribution.Percentiles[7], r.Freshness[1].Distribution.P95 = bad, bad
			r.Cost.Parts[2].CPUSeconds, r.Cost.Rate = &bad, bad
			r.Capacity.Steps[1].LatencyP95, r.Capacity.Steps[2].Rate, r.Capacity.Steps[3].Cores["tempo"] = bad, bad, bad
			r.Collector.Ratio, r.Collector.Rounds[0].Bare.CPUSeconds = bad, bad
			r.Faults[0].DataRecovery, r.Faults[0].Timeline[1].QueuedBytes = bad, &bad
			for file, text := range write(t, r) {
				if found := regexp.MustCompile(`.{0,40}(\bNaN\b|\bInf\b|Infinity).{0,40}`).FindString(text); found != "" {
					t.Errorf("%s has %q", file, found)
				}
			}
			_, err := document(&r)
			step := func(path string) bool {
				return slices.ContainsFunc(r.NotRun, func(n result.NotRun) bool { return n.Step == path })
			}
			if err != nil || !step("collector.ratio") || !step("capacity.steps[3].cores.tempo") {
				t.Errorf("what came out as no number is not said: %v, %v", r.NotRun, err)
			}
		})
	}
}

func TestTextIsEscaped(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>"'|` + "`"
	r := filled()
	r.Revision, r.Machine.CPU, r.Machine.Versions = evil, evil, map[string]string{evil: evil}
	r.Objectives[0].Name, r.Objectives[0].Detail, r.Objectives[0].Unit = evil, evil, evil
	r.Correctness.Differences[0], r.Correctness.Accounts[0].Signal, r.Correctness.Accounts[0].Stages[0].Name = evil, evil, evil
	r.Freshness[0].Signal, r.Freshness[0].Store, r.Cost.Parts[0].Part = evil, evil, evil
	r.Capacity.Broke = evil
	r.Capacity.Steps[0].Cores = map[string]float64{evil: 1}
	r.Sampling.Groups[0].Name, r.Faults[0].Name, r.Faults[0].Detail, r.Faults[0].Spans[0].Store = evil, evil, evil, evil
	r.NotRun[0].Reason = evil
	files := write(t, r)
	for _, name := range []string{"index.html", "summary.md"} {
		if strings.Contains(files[name], "<img") {
			t.Errorf("%s has markup from the results", name)
		}
		if !strings.Contains(files[name], "&lt;img") {
			t.Errorf("%s has lost the text", name)
		}
	}
	columns := 0
	for _, line := range strings.Split(files["summary.md"], "\n") {
		bars := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		switch {
		case strings.HasPrefix(line, "|--"):
			columns = bars
		case bars == 0:
			columns = 0
		case columns > 0 && bars != columns:
			t.Errorf("summary.md has a row of %d bars in a table of %d: %s", bars, columns, line)
		}
	}
}

func TestWriteReplacesItsFilesAndLeavesNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "report")
	for _, revision := range []string{"first", "second"} {
		if err := Write(dir, result.Results{Revision: revision}); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, entry := range entries(t, dir) {
			names = append(names, entry.Name())
		}
		if want := []string{"index.html", "results.json", "summary.md"}; !slices.Equal(names, want) {
			t.Errorf("the directory has %v, want %v", names, want)
		}
		text, err := os.ReadFile(filepath.Join(dir, "index.html"))
		if err != nil || !strings.Contains(string(text), "<code>"+revision+"</code>") {
			t.Errorf("the page is not that of the %s run (%v)", revision, err)
		}
	}
}

func TestWriteSaysWhereItCouldNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, result.Results{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names %s", err, file)
	}
}
