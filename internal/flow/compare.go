package flow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
)

// The kinds of differences.
const (
	Missing    = "missing"    // a span
	Doubled    = "doubled"    // a span that is there oftener than it should be
	Unexpected = "unexpected" // a span
	Parent     = "parent"     // another than expected, or none
	Link       = "link"       // is missing
	Attribute  = "attribute"  // is missing, has another value, or is forbidden
	Status     = "status"
	TooLong    = "duration"
	Gap        = "gap"
	NoTrace    = "trace" // none is found
	NoLog      = "log"
	NoMetric   = "metric"
)

// Finding is a difference between what a flow expects and what is there.
type Finding struct {
	Kind    string `json:"kind"`
	Service string `json:"service,omitempty"`
	Span    string `json:"span,omitempty"`
	// Message is a sentence that names the span, Note a few words beside it.
	Message string `json:"message"`
	Note    string `json:"-"`
}

// place is where spans of the tree belong: one that is there, or some that are not.
type place struct {
	want    *Span
	above   *place
	linked  bool // to the one above, not its child
	span    *backend.Span
	missing int // how many are, where there is no span
	wrong   []Finding
	below   []*place
}

// Comparison is a flow's tree laid over what a store holds.
type Comparison struct {
	Findings []Finding
	places   []*place
	extra    []*place // spans that the tree does not have
}

type id struct{ trace, span string }

type matcher struct {
	spans []*backend.Span
	byID  map[id]*backend.Span
	taken map[*backend.Span]*Span
}

// Compare lays the tree over the spans of the traces: each is matched by service, name
// and kind in the place where it should be, and only then elsewhere. Spans that the
// tree does not have are findings unless others is true.
func Compare(want []Span, others bool, traces ...backend.Trace) Comparison {
	m := &matcher{byID: map[id]*backend.Span{}, taken: map[*backend.Span]*Span{}}
	for _, trace := range traces {
		for i := range trace.Spans {
			s := &trace.Spans[i]
			if m.byID[id{s.TraceID, s.SpanID}] == nil { // a store may hold one twice
				m.byID[id{s.TraceID, s.SpanID}] = s
				m.spans = append(m.spans, s)
			}
		}
	}
	c := Comparison{places: m.fill(m.place(want, nil, false))}
	c.Findings = m.judge(c.places)
	for _, s := range m.spans {
		if m.taken[s] != nil || others && !m.like(s) {
			continue
		}
		f := finding(Unexpected, s, "not expected", "%s (%s) is not expected; found it below %s", s.Describe(), s.Kind, m.parentOf(s))
		if m.like(s) {
			f.Kind, f.Note = Doubled, "doubled"
			f.Message += ", beside those that are"
		}
		c.extra = append(c.extra, &place{span: s, wrong: []Finding{f}})
		c.Findings = append(c.Findings, f)
	}
	return c
}

// place matches the spans that are in their place, from the top down.
func (m *matcher) place(want []Span, above *place, linked bool) []*place {
	var places []*place
	for i := range want {
		w := &want[i]
		var found []*backend.Span
		for _, s := range m.spans {
			// A span that is linked to several, as that of a batch, is in the place of each.
			free := m.taken[s] == nil || linked && m.taken[s] == w
			if free && w.is(s) && inPlace(s, above, linked) {
				found = append(found, s)
			}
		}
		// Of several in the place, those that have what is wanted are meant.
		slices.SortStableFunc(found, func(a, b *backend.Span) int {
			return cmp.Compare(len(w.faults(a, nil)), len(w.faults(b, nil)))
		})
		found = found[:min(len(found), w.most())]
		for _, s := range found {
			places = append(places, m.put(s, w, above, linked))
		}
		if n := w.least() - len(found); n > 0 {
			p := &place{want: w, above: above, linked: linked, missing: n}
			p.below = append(m.place(w.Children, p, false), m.place(w.Linked, p, true)...)
			places = append(places, p)
		}
	}
	return places
}

func inPlace(s *backend.Span, above *place, linked bool) bool {
	switch {
	case above == nil:
		return s.ParentID == ""
	case above.span == nil:
		return false
	case linked:
		return s.LinksTo(*above.span)
	default:
		return s.ParentID == above.span.SpanID && s.TraceID == above.span.TraceID
	}
}

func (m *matcher) put(s *backend.Span, w *Span, above *place, linked bool) *place {
	p := &place{want: w, above: above, linked: linked, span: s}
	if m.taken[s] == nil { // what is below a span that is in several places is told once
		m.taken[s] = w
		p.below = append(m.place(w.Children, p, false), m.place(w.Linked, p, true)...)
	}
	return p
}

// fill looks elsewhere for the spans that are not in their place.
func (m *matcher) fill(places []*place) []*place {
	var filled []*place
	for _, p := range places {
		for p.span == nil && p.missing > 0 {
			i := slices.IndexFunc(m.spans, func(s *backend.Span) bool { return m.taken[s] == nil && p.want.is(s) })
			if i < 0 {
				break
			}
			found := m.put(m.spans[i], p.want, p.above, p.linked)
			found.below = m.fill(found.below)
			filled = append(filled, found)
			p.missing--
		}
		if p.span == nil && p.missing == 0 {
			continue
		}
		p.below = m.fill(p.below)
		filled = append(filled, p)
	}
	return filled
}

// judge says what is wrong in each place.
func (m *matcher) judge(places []*place) []Finding {
	var all []Finding
	for _, p := range places {
		switch {
		case p.span != nil:
			p.wrong = append(p.wrong, m.misplaced(p)...)
			p.wrong = append(p.wrong, p.want.faults(p.span, p.above)...)
		case p.above == nil:
			p.wrong = []Finding{p.absent("expected it as the root")}
		case p.above.span != nil && p.linked:
			p.wrong = []Finding{p.absent(fmt.Sprintf("expected it linked to %s: it was not exported, has no link, or is not of the time", *p.above.want))}
		case p.above.span != nil: // below a span that is missing itself, nothing more is told
			p.wrong = []Finding{p.absent(fmt.Sprintf("expected it below %s: the context was lost on the way, or the span was not exported", *p.above.want))}
		}
		all = append(all, p.wrong...)
		all = append(all, m.judge(p.below)...)
	}
	return all
}

func (p *place) absent(why string) Finding {
	w, times := p.want, ""
	if p.missing > 1 {
		times = fmt.Sprintf(" %d times", p.missing)
	}
	return Finding{Kind: Missing, Service: w.Service, Span: w.Name, Note: "missing" + times,
		Message: fmt.Sprintf("span %q of %s (%s) is missing%s; %s", w.Name, w.Service, w.Kind, times, why)}
}

// misplaced says whether a span is not where the tree has it.
func (m *matcher) misplaced(p *place) []Finding {
	s, note := p.span, ""
	if inPlace(s, p.above, p.linked) {
		return nil
	}
	kind, found, expected := Parent, "has the parent "+m.parentOf(s), "it to be the root"
	if s.ParentID == "" {
		found = "has no parent"
	}
	if p.above != nil {
		expected = p.above.want.Service + " " + p.above.want.Name
		note = "not below " + expected
		if p.linked {
			kind, note = Link, "no link to "+expected
			expected = "a link to " + expected
		} else if p.above.span != nil && s.LinksTo(*p.above.span) {
			found += " but a link to " + expected
		}
	} else {
		note = "not the root"
	}
	return []Finding{finding(kind, s, note, "%s %s; expected %s", s.Describe(), found, expected)}
}

// faults compares a span by itself, and with the one above it.
func (w *Span) faults(s *backend.Span, above *place) []Finding {
	var all []Finding
	add := func(kind, format string, args ...any) {
		note := fmt.Sprintf(format, args...)
		all = append(all, finding(kind, s, note, "%s %s", s.Describe(), note))
	}
	for _, key := range slices.Sorted(maps.Keys(w.Attributes)) {
		got, ok := attribute(s, key)
		want := w.Attributes[key]
		switch {
		case !ok:
			add(Attribute, "lacks the attribute %s", key)
		case want != "*" && !same(want, got):
			add(Attribute, "has %s = %s; expected %s", key, show(got), show(want))
		}
	}
	for _, key := range w.Forbidden {
		if _, ok := attribute(s, key); ok {
			add(Attribute, "has the attribute %s, which is forbidden", key)
		}
	}
	if w.Status != "" && !strings.EqualFold(w.Status, string(s.StatusCode)) {
		add(Status, "has the status %s; expected %s", strings.ToLower(string(s.StatusCode)), w.Status)
	}
	if most := time.Duration(w.MaxDuration); most > 0 && s.Duration() > most {
		add(TooLong, "takes %s; expected at most %s", s.Duration(), most)
	}
	if most := time.Duration(w.MaxGap); most > 0 && above != nil && above.span != nil {
		if gap := s.Start.Sub(above.span.End); gap > most {
			add(Gap, "begins %s after the end of %s; expected at most %s", gap, above.want.Name, most)
		}
	}
	return all
}

func attribute(s *backend.Span, key string) (any, bool) {
	if value, ok := s.Attributes[key]; ok {
		return value, true
	}
	value, ok := s.Resource[key]
	return value, ok
}

// same compares a value of the file with a stored one. A text is no number.
func same(want, got any) bool {
	number, ok := want.(json.Number)
	if !ok {
		return want == got
	}
	switch got := got.(type) {
	case int64:
		n, err := number.Int64()
		return err == nil && n == got
	case float64:
		n, err := number.Float64()
		return err == nil && n == got
	}
	return false
}

func show(value any) string {
	if text, ok := value.(string); ok {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprint(value)
}

// like tells whether the tree has a span like this one somewhere.
func (m *matcher) like(s *backend.Span) bool {
	for _, w := range m.taken {
		if w.is(s) {
			return true
		}
	}
	return false
}

func (m *matcher) parentOf(s *backend.Span) string {
	if s.ParentID == "" {
		return "none"
	}
	if parent := m.byID[id{s.TraceID, s.ParentID}]; parent != nil {
		return parent.Service + " " + parent.Name
	}
	return s.ParentID + ", which is not in the trace"
}

func finding(kind string, s *backend.Span, note, format string, args ...any) Finding {
	return Finding{Kind: kind, Service: s.Service, Span: s.Name, Note: note, Message: fmt.Sprintf(format, args...)}
}
