package flow

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"throughline/internal/backend"
	"throughline/internal/terminal"
	"throughline/internal/tree"
)

// Print writes the flow as a tree of spans in which what is wrong is marked, once where
// the stores agree, and then what else is wrong.
func (r Result) Print(w io.Writer) error {
	trees := map[string]int{} // by their findings
	var names []string
	var shown []StoreResult
	for _, s := range r.Stores {
		if s.err != nil {
			continue
		}
		of := fmt.Sprint(s.Findings)
		if i, ok := trees[of]; ok {
			names[i] += " and " + s.Name
			continue
		}
		trees[of] = len(shown)
		shown, names = append(shown, s), append(names, s.Name)
	}
	for i, s := range shown {
		trace, marks := s.display(r.TraceID)
		head := fmt.Sprintf("trace %s in %s", terminal.Color(w, color.Bold).Sprint(r.TraceID), names[i])
		if more := len(s.traces) - 1; more > 0 {
			head += fmt.Sprintf(", and %d more", more)
		}
		if _, err := fmt.Fprintln(w, head); err != nil {
			return err
		}
		if err := tree.PrintMarked(w, trace, marks); err != nil {
			return err
		}
	}
	bad, good := terminal.Color(w, color.FgRed), terminal.Color(w, color.FgGreen)
	var out strings.Builder
	for _, f := range r.Findings {
		where := ""
		if len(f.Stores) > 0 && len(f.Stores) < len(r.Stores) {
			where = strings.Join(f.Stores, " and ") + ": "
		}
		fmt.Fprintf(&out, "%s %s%s\n", bad.Sprint("✗"), where, f.Message)
	}
	if r.Link != "" {
		fmt.Fprintln(&out, r.Link)
	}
	if r.OK {
		fmt.Fprintf(&out, "%s %s is as it should be  (%.1f s)\n", good.Sprint("✓"), r.Flow, r.took.Seconds())
	} else {
		fmt.Fprintf(&out, "%s %s: %s  (%.1f s)\n", bad.Sprint("✗"), r.Flow, count(len(r.Findings)), r.took.Seconds())
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// display is a trace with all spans of a flow, with those that are missing in their
// places, and the marks of those with findings.
func (c Comparison) display(traceID string) (backend.Trace, map[string]string) {
	trace, marks := backend.Trace{ID: traceID}, map[string]string{}
	var add func(places []*place, above string)
	note := func(spanID string, wrong []Finding) {
		var notes []string
		for _, f := range wrong {
			notes = append(notes, f.Note)
		}
		marks[spanID] = strings.Join(notes, "; ")
	}
	seen := map[*backend.Span]bool{}
	add = func(places []*place, above string) {
		for _, p := range places {
			s := backend.Span{Service: p.want.Service, Name: p.want.Name, Kind: backend.Kind(p.want.Kind), SpanID: fmt.Sprintf("missing %d", len(trace.Spans))}
			wrong := p.wrong
			switch {
			case p.span != nil && seen[p.span]:
				continue // it is linked to several, and shown below the first
			case p.span != nil:
				seen[p.span] = true
				s = *p.span
			case len(wrong) == 0:
				wrong = []Finding{{Note: "missing"}}
			}
			s.ParentID = above
			trace.Spans = append(trace.Spans, s)
			note(s.SpanID, wrong)
			add(p.below, s.SpanID)
		}
	}
	add(c.places, "")
	known := map[string]bool{}
	for _, s := range trace.Spans {
		known[s.SpanID] = true
	}
	for _, p := range c.extra {
		known[p.span.SpanID] = true
	}
	for _, p := range c.extra {
		s := *p.span
		if !known[s.ParentID] {
			s.ParentID = ""
		}
		trace.Spans = append(trace.Spans, s)
		note(s.SpanID, p.wrong)
	}
	return trace, marks
}

// JUnit writes the result as JUnit XML: a test case for each span of the tree in each
// store, for each line of log and for each metric.
func (r Result) JUnit(w io.Writer) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Kind    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	type testCase struct {
		Name      string    `xml:"name,attr"`
		ClassName string    `xml:"classname,attr"`
		Failures  []failure `xml:"failure"`
	}
	type suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testCase `xml:"testcase"`
		Output   string     `xml:"system-out,omitempty"`
	}
	out := suite{Name: r.Flow, Time: fmt.Sprintf("%.3f", r.took.Seconds()), Output: r.Link}
	add := func(class, name string, wrong []Finding) {
		c := testCase{Name: name, ClassName: class}
		for _, f := range wrong {
			c.Failures = append(c.Failures, failure{f.Message, f.Kind, r.Link})
		}
		out.Cases = append(out.Cases, c)
		out.Tests++
		if len(wrong) > 0 {
			out.Failures++
		}
	}
	for _, s := range r.Stores {
		class := r.Flow + "." + s.Name
		if s.err != nil {
			add(class, "answers", []Finding{{Kind: NoAnswer, Message: s.err.Error()}})
			continue
		}
		var walk func([]*place)
		walk = func(places []*place) {
			for _, p := range places {
				wrong := p.wrong
				if p.span == nil && len(wrong) == 0 {
					wrong = []Finding{{Kind: Missing, Message: "the span above it is missing"}}
				}
				add(class, fmt.Sprintf("%s %s", p.want.Service, p.want.Name), wrong)
				walk(p.below)
			}
		}
		walk(s.places)
		for _, p := range s.extra {
			add(class, fmt.Sprintf("%s %s", p.span.Service, p.span.Name), p.wrong)
		}
	}
	if len(r.Stores) == 0 { // it did not come so far
		for _, f := range r.Findings {
			add(r.Flow, f.Kind, []Finding{f.Finding})
		}
	}
	one := func(f *Finding) []Finding {
		if f == nil {
			return nil
		}
		return []Finding{*f}
	}
	for i, f := range r.logs {
		add(r.Flow+".log", strings.TrimSpace(r.flow.Logs[i].Service+" "+r.flow.Logs[i].Text), one(f))
	}
	for i, f := range r.metrics {
		add(r.Flow+".metric", r.flow.Metrics[i], one(f))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func count(differences int) string {
	if differences == 1 {
		return "1 difference"
	}
	return fmt.Sprintf("%d differences", differences)
}
