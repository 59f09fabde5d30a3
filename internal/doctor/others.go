package doctor

import (
	"context"
	"slices"

	"throughline/internal/backend"
)

func (d Doctor) withOtherSide(ctx context.Context, symptom Symptom) (Symptom, error) {
	other, err := d.otherSide(ctx, symptom.span)
	switch {
	case err != nil || other == nil:
		return symptom, err
	case symptom.Kind == EndsAtPublish && other.LinksTo(symptom.span):
		return symptomOf(LinkNotChild, *other, symptom.Service+" → "+other.Service, "in a trace of its own, %s, has no parent but a link to %s", other.TraceID, symptom.span.Describe()), nil
	default:
		return lost(symptom.span, *other), nil
	}
}

// missingHalves are calls that no other service follows, though one does in other
// traces and has no span in this one.
func (d Doctor) missingHalves(ctx context.Context, spans []backend.Span) ([]Symptom, error) {
	var all []Symptom
	for _, s := range spans {
		database := s.Attributes["db.system.name"] != nil || s.Attributes["db.system"] != nil
		if s.Kind != backend.Client || database || calleeOf(s, spans) != "" {
			continue
		}
		callee, err := d.usualCallee(ctx, s)
		if err != nil {
			return nil, err
		}
		if callee != "" && !slices.ContainsFunc(spans, func(o backend.Span) bool { return o.Service == callee }) {
			all = append(all, symptomOf(HalfMissing, s, s.Service+" → "+callee, "is followed by nothing of %s, which follows it in other traces", callee))
		}
	}
	return all, nil
}

// calleeOf returns the other service that has a span right below.
func calleeOf(s backend.Span, spans []backend.Span) string {
	i := slices.IndexFunc(spans, func(o backend.Span) bool { return o.ParentID == s.SpanID && o.Service != s.Service })
	if i < 0 {
		return ""
	}
	return spans[i].Service
}

// usualCallee looks for spans of the same name and service in other traces.
func (d Doctor) usualCallee(ctx context.Context, s backend.Span) (string, error) {
	for _, store := range d.Stores {
		found, err := store.Search(ctx, backend.TraceQuery{Service: s.Service, Operation: s.Name, Limit: 20,
			Window: backend.Window{Start: s.Start.Add(-around), End: s.Start.Add(around)}})
		if err != nil {
			return "", err
		}
		for _, one := range found {
			if one.ID == s.TraceID {
				continue
			}
			trace, err := store.Trace(ctx, one.ID)
			if err != nil {
				return "", err
			}
			for _, other := range trace.Spans {
				if other.Service != s.Service || other.Name != s.Name || other.Kind != s.Kind {
					continue
				}
				if callee := calleeOf(other, trace.Spans); callee != "" {
					return callee, nil
				}
			}
		}
	}
	return "", nil
}

// lost is the symptom of a message whose producer and consumer are in two traces.
func lost(one, other backend.Span) Symptom {
	from, to := one, other
	if one.Kind == backend.Consumer {
		from, to = other, one
	}
	symptom := symptomOf(ContextLost, to, from.Service+" → "+to.Service, "in trace %s has the message of %s in trace %s, and neither a parent nor a link", to.TraceID, from.Describe(), from.TraceID)
	symptom.TraceID, symptom.SpanID = one.TraceID, one.SpanID
	return symptom
}

// otherSide returns the producer of a consumer's message, or a consumer without a
// parent of a producer's, where it is in another trace.
func (d Doctor) otherSide(ctx context.Context, s backend.Span) (*backend.Span, error) {
	const key = "messaging.message.id"
	message, ok := s.Attributes[key].(string)
	if !ok {
		return nil, nil
	}
	for _, store := range d.Stores {
		if _, ok := store.(*backend.Jaeger); ok {
			continue // it searches for an attribute only within a service, and that is the question
		}
		found, err := store.Search(ctx, backend.TraceQuery{Attribute: key, Value: message, Limit: 10,
			Window: backend.Window{Start: s.Start.Add(-around), End: s.Start.Add(around)}})
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			if one.ID == s.TraceID {
				continue
			}
			trace, err := store.Trace(ctx, one.ID)
			if err != nil {
				return nil, err
			}
			for _, other := range trace.Spans {
				apart := s.Kind == backend.Producer && other.Kind == backend.Consumer && other.ParentID == "" && (len(other.Links) == 0 || other.LinksTo(s)) ||
					s.Kind == backend.Consumer && other.Kind == backend.Producer
				if apart && other.Attributes[key] == message {
					return &other, nil
				}
			}
		}
	}
	return nil, nil
}
