package stores

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// replay is a team's own traffic. When more is asked for than there is, the traces
// come again with other ids.
type replay struct {
	traces       []recording
	spans        int
	rare, common string
}

type recording struct {
	began time.Time
	spans []recordedSpan
}

type recordedSpan struct {
	span     ptrace.Span
	resource pcommon.Resource
	key      int
}

// newReplay reads OTLP JSON lines, as the collector's file exporter writes them.
func newReplay(path string) (*replay, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--replay: %w", err)
	}
	defer func() { _ = file.Close() }()

	r := &replay{}
	byID := map[pcommon.TraceID]*recording{}
	var order []pcommon.TraceID
	keys := 0
	lines := bufio.NewReader(file)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			batch, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(line)
			if err != nil {
				return nil, fmt.Errorf("--replay %s: line %d is no OTLP JSON of traces: %w; write it with the collector's file exporter", path, number, err)
			}
			for _, resource := range batch.ResourceSpans().All() {
				keys++
				for _, scope := range resource.ScopeSpans().All() {
					for _, span := range scope.Spans().All() {
						of := byID[span.TraceID()]
						if of == nil {
							of = &recording{}
							byID[span.TraceID()], order = of, append(order, span.TraceID())
						}
						of.spans = append(of.spans, recordedSpan{span, resource.Resource(), keys})
						if at := span.StartTimestamp().AsTime(); of.began.IsZero() || at.Before(of.began) {
							of.began = at
						}
						r.spans++
					}
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("--replay %s: %w", path, err)
		}
	}
	if r.spans == 0 {
		return nil, fmt.Errorf("--replay %s: it has no spans; write it with the collector's file exporter", path)
	}
	for _, id := range order {
		r.traces = append(r.traces, *byID[id])
	}
	r.rare, r.common = rareAndCommon(r.traces)
	return r, nil
}

// rareAndCommon returns the text attributes with the most and the fewest values
// among those that at least a tenth of the traces have. None is rare when more
// traces share a value than a search returns.
func rareAndCommon(traces []recording) (rare, common string) {
	values, having := map[string]map[string]bool{}, map[string]int{}
	for _, t := range traces {
		seen := map[string]bool{}
		for _, s := range t.spans {
			for key, value := range s.span.Attributes().All() {
				if value.Type() != pcommon.ValueTypeStr {
					continue
				}
				if values[key] == nil {
					values[key] = map[string]bool{}
				}
				values[key][value.Str()] = true
				seen[key] = true
			}
		}
		for key := range seen {
			having[key]++
		}
	}
	for key := range values {
		if having[key]*10 < len(traces) {
			continue
		}
		n := len(values[key])
		if rare == "" || n > len(values[rare]) || n == len(values[rare]) && key < rare {
			rare = key
		}
		if common == "" || n < len(values[common]) || n == len(values[common]) && key < common {
			common = key
		}
	}
	if having[rare] > searchLimit*len(values[rare]) {
		rare = ""
	}
	return rare, common
}

func (r *replay) trace(number uint32) trace {
	recorded := &r.traces[int(number)%len(r.traces)]
	t := trace{number: number, facts: make([]facts, len(recorded.spans)), made: recorded}
	original := recorded.spans[0].span.TraceID()
	t.id = original
	binary.BigEndian.PutUint64(t.id[:8], mix(binary.BigEndian.Uint64(original[:8])^uint64(number))|1<<63)
	for i, s := range recorded.spans {
		service, _ := s.resource.Attributes().Get("service.name")
		f := facts{
			resource: s.key, service: service.AsString(), operation: s.span.Name(),
			end:      s.span.EndTimestamp().AsTime().Sub(recorded.began),
			duration: s.span.EndTimestamp().AsTime().Sub(s.span.StartTimestamp().AsTime()),
			failed:   s.span.Status().Code() == ptrace.StatusCodeError, root: s.span.ParentSpanID().IsEmpty(),
		}
		if value, ok := s.span.Attributes().Get(r.rare); ok {
			f.rare = value.AsString()
		}
		if value, ok := s.span.Attributes().Get(r.common); ok {
			f.common = value.AsString()
		}
		t.facts[i] = f
	}
	return t
}

func (r *replay) spanIDOf(t *trace, index int) pcommon.SpanID {
	return t.made.(*recording).spans[index].span.SpanID()
}

func (r *replay) fillResource(t *trace, resource pcommon.Resource, key int) {
	for _, s := range t.made.(*recording).spans {
		if s.key == key {
			s.resource.CopyTo(resource)
			return
		}
	}
}

// fillSpan moves the span to the time.
func (r *replay) fillSpan(t *trace, span ptrace.Span, index int, began time.Time) {
	recorded := t.made.(*recording)
	recorded.spans[index].span.CopyTo(span)
	span.SetTraceID(t.id)
	by := began.Sub(recorded.began)
	move := func(at pcommon.Timestamp) pcommon.Timestamp {
		return pcommon.NewTimestampFromTime(at.AsTime().Add(by))
	}
	span.SetStartTimestamp(move(span.StartTimestamp()))
	span.SetEndTimestamp(move(span.EndTimestamp()))
	for _, event := range span.Events().All() {
		event.SetTimestamp(move(event.Timestamp()))
	}
}

func (r *replay) attributes() (rare, common string) { return r.rare, r.common }

func (r *replay) limit() int { return r.spans }
