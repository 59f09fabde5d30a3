package report

import (
	"html"
	"strings"
	"testing"

	"throughline/internal/evaluate/result"
)

func TestTheFirstLinesSayWhatFailed(t *testing.T) {
	r := sample()
	r.Objectives[3].Value, r.Objectives[3].OK = ptr(1.0), true
	r.Objectives[6].NotApplicable = true
	r.NotRun = append(r.NotRun, result.NotRun{Step: "outage of each part", Reason: "only in the full evaluation", NotApplicable: true})
	files := write(t, r)
	summary, _, _ := strings.Cut(files["summary.md"], "| objective |")
	_, page, _ := strings.Cut(files["index.html"], "<main>")
	page, _, _ = strings.Cut(page, `<section id="objectives">`)
	page = html.UnescapeString(page)
	for name, text := range map[string]string{"summary.md": summary, "index.html": page} {
		for _, want := range []string{
			"Failed", "account does not balance: log records", "step not run: full disk: the file system could not be limited",
			"fault failed: kill -9 of jaeger: Jaeger had acknowledged 112 spans",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the first lines of %s do not say %q:\n%s", name, want, text)
			}
		}
		for _, unwanted := range []string{"objective", "outage of each part"} {
			if strings.Contains(text, unwanted) && name == "index.html" || strings.Contains(text, unwanted+" missed") {
				t.Errorf("the first lines of %s say %q, which did not fail", name, unwanted)
			}
		}
	}
	if got := row(t, section(t, files["index.html"], "objectives"), r.Objectives[6].Name); !strings.Contains(got, ">not applicable<") {
		t.Errorf("the page says of what does not apply:\n%s", got)
	}
	if got := row(t, section(t, files["index.html"], "not-run"), "outage of each part"); !strings.Contains(got, "not applicable") {
		t.Errorf("the page says of a step that does not apply:\n%s", got)
	}
	if got := row(t, section(t, files["index.html"], "not-run"), "full disk"); !strings.Contains(got, "failed") {
		t.Errorf("the page says of a step that failed:\n%s", got)
	}
}

func TestTheFirstLinesSayThatItPassed(t *testing.T) {
	files := write(t, result.Results{Objectives: []result.Objective{{Name: "o", Value: ptr(0.0), OK: true}}})
	for _, name := range []string{"summary.md", "index.html"} {
		if !strings.Contains(files[name], "Passed") || strings.Contains(files[name], "Failed:") {
			t.Errorf("%s does not say that it passed", name)
		}
	}
}

func TestWhatNeverRecoveredHasNoFigures(t *testing.T) {
	files := write(t, result.Results{Faults: []result.Fault{{Name: "kill -9 of loki", NotRecovered: true, DataRecovery: 120, Detail: "loki never came back"}}})
	got := row(t, section(t, files["index.html"], "faults"), "kill -9 of loki")
	if !strings.Contains(got, "not in 2 min") || strings.Contains(got, ">0<") {
		t.Errorf("the page says:\n%s", got)
	}
	if !strings.Contains(files["summary.md"], "| – | – | – | – | 0 | not in 2 min | not in 2 min |") {
		t.Errorf("summary.md says:\n%s", files["summary.md"])
	}
}
