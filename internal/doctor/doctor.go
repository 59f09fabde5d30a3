// Package doctor says why a trace is broken, from what the trace stores hold.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"throughline/internal/backend"
)

// The kinds of symptoms.
const (
	Orphan         = "orphan span"
	SeveralRoots   = "several roots"
	EndsAtPublish  = "ends at a publish"
	NoProducer     = "consumer without a producer"
	ContextLost    = "context lost"
	LinkNotChild   = "link, not child"
	OneStoreOnly   = "in one store only"
	Cut            = "cut by limits"
	OldConventions = "old conventions"
	ClocksDisagree = "clocks disagree"
	HalfMissing    = "half sampled out"
)

// Symptom is something about a trace that is not as it should be, or need not be.
type Symptom struct {
	Kind    string `json:"kind"`
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
	// Service is whose span it is, and Boundary what lies between it and the other side.
	Service  string `json:"service"`
	Boundary string `json:"boundary,omitempty"`
	Message  string `json:"message"`
	// Cause is the usual one, and Page where our docs say what to do.
	Cause string `json:"cause"`
	Page  string `json:"page"`

	span backend.Span
}

// remedies are the usual cause of each kind and the page about it.
var remedies = map[string][2]string{
	Orphan:         {"the span above it was not exported, was sampled out, or its service sends to another collector; or it is of a caller that is not traced here", "docs/adopt.md#in-front-strangers"},
	SeveralRoots:   {"a service began a span with a context that has no span: context.Background() in place of the request's", "docs/adopt.md#3-otelamqp"},
	EndsAtPublish:  {"nothing has consumed the message yet, or its consumer does not take the context out of the message: it is not wrapped, or the headers are dropped on the way", "docs/adopt.md#3-otelamqp"},
	NoProducer:     {"the publisher puts no context into the message, or something on the way drops the headers", "docs/adopt.md#peers-that-drop-headers"},
	ContextLost:    {"the consumer is not wrapped or has another propagator, or something between the two drops the headers", "docs/adopt.md#peers-that-drop-headers"},
	LinkNotChild:   {"the consumer is set to linked traces, or to a new trace for a message that comes again or is old", "docs/adopt.md#topologies"},
	OneStoreOnly:   {"it has not arrived yet, or the other store refused it: look at the alert's page and at the queue of its exporter", "docs/runbooks/alerts.md#exporterfailing"},
	Cut:            {"the service or the collector keeps a text to 2048 bytes, a place to 128 attributes, and a span to 32 events and 1024 links; an SDK by itself keeps 128 of each", "docs/telemetry.md#spans-of-a-login"},
	OldConventions: {"the instrumentation is older than the conventions, and the span did not pass this collector's transforms", "docs/adopt.md#1-go-zeros-telemetry-block"},
	HalfMissing:    {"the called service's sampler decides by itself: let it follow its caller's (parentbased_…); or its spans were lost on the way to the collector", "docs/adopt.md#2-telemetry"},
	ClocksDisagree: {"the hosts' clocks differ, by at least that much: let them follow one time server", "docs/telemetry.md#spans-of-a-login"},
}

// Doctor looks at traces where they are held.
type Doctor struct {
	Stores []backend.TraceSearcher
	// Prometheus has the collector's metrics. Without it nothing is said of its hops.
	Prometheus *backend.Prometheus
}

// around is how far from a span the doctor looks for others like it.
const around = time.Hour

// Examine diagnoses traces by their ids. Of a message whose context was lost it looks
// for the other side, with the same message id, and of a call that nothing follows for
// what follows it in other traces, both within an hour. Of a span that a store does not
// hold it says which hop of the collector has counted it last.
func (d Doctor) Examine(ctx context.Context, ids []string) ([]Symptom, error) {
	all := []Symptom{}
	for _, id := range ids {
		held := map[string]backend.Trace{}
		for _, store := range d.Stores {
			trace, err := store.Trace(ctx, id)
			if err != nil && !errors.Is(err, backend.ErrNotFound) {
				return nil, err
			}
			held[store.Name()] = trace
		}
		m := merge(held)
		if len(m.spans) == 0 {
			return nil, fmt.Errorf("no store holds trace %s: it was not sampled, has not arrived yet, or is too old", id)
		}
		hops := d.hops(m.spans[0].Start)
		for _, symptom := range m.diagnose() {
			var err error
			switch symptom.Kind {
			case EndsAtPublish, NoProducer:
				symptom, err = d.withOtherSide(ctx, symptom)
			case OneStoreOnly:
				for _, store := range m.without(symptom.SpanID) {
					var hop string
					if hop, err = hops(ctx, store); err != nil {
						break
					}
					symptom.Cause += hop
				}
			}
			if err != nil {
				return nil, err
			}
			all = append(all, symptom)
		}
		missing, err := d.missingHalves(ctx, m.spans)
		if err != nil {
			return nil, err
		}
		all = append(all, missing...)
	}
	return all, nil
}
