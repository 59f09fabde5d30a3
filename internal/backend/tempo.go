package backend

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"
)

// Tempo reads from the HTTP API of Grafana Tempo.
type Tempo struct{ endpoint }

// NewTempo returns a client of the Tempo that answers at url, for example
// http://127.0.0.1:6566.
func NewTempo(url string) *Tempo {
	return &Tempo{newEndpoint("Tempo", strings.TrimRight(url, "/"))}
}

// Name is "Tempo".
func (t *Tempo) Name() string { return t.name }

// Trace implements TraceStore. It asks for protobuf, because Tempo's JSON has
// ids in base64, which is not OTLP's JSON.
func (t *Tempo) Trace(ctx context.Context, id string) (Trace, error) {
	id, err := ParseTraceID(id)
	if err != nil {
		return Trace{}, err
	}
	body, err := t.get(ctx, "/api/v2/traces/"+id, "application/protobuf")
	if err != nil {
		return Trace{}, fmt.Errorf("trace %s: %w", id, err)
	}
	traces, partial, err := decodeTraceByID(body)
	if err != nil {
		return Trace{}, fmt.Errorf("trace %s: Tempo at %s does not answer in its protobuf format: %w; is it version 2.7 or later?", id, t.url, err)
	}
	if partial {
		return Trace{}, fmt.Errorf("trace %s: Tempo at %s returns only a part of it; raise max_bytes_per_trace in tempo/config.yaml", id, t.url)
	}
	if traces.SpanCount() == 0 {
		return Trace{}, fmt.Errorf("trace %s: Tempo at %s: %w", id, t.url, ErrNotFound)
	}
	return fromOTLP(id, traces), nil
}

// decodeTraceByID reads tempopb.TraceByIDResponse, of which two fields matter:
// the trace, whose encoding is that of OTLP's TracesData, and whether it is
// partial. Importing tempopb instead would import Tempo.
func decodeTraceByID(message []byte) (traces ptrace.Traces, partial bool, err error) {
	const traceField, statusField, statusPartial = 1, 3, 1
	traces = ptrace.NewTraces()
	for len(message) > 0 {
		number, wire, n := protowire.ConsumeField(message)
		if n < 0 {
			return traces, false, protowire.ParseError(n)
		}
		_, _, tag := protowire.ConsumeTag(message)
		value := message[tag:n]
		switch {
		case number == traceField && wire == protowire.BytesType:
			encoded, _ := protowire.ConsumeBytes(value)
			var decoder ptrace.ProtoUnmarshaler
			if traces, err = decoder.UnmarshalTraces(encoded); err != nil {
				return traces, false, err
			}
		case number == statusField && wire == protowire.VarintType:
			status, _ := protowire.ConsumeVarint(value)
			partial = status == statusPartial
		}
		message = message[n:]
	}
	return traces, partial, nil
}
