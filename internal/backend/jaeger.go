package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Jaeger reads from the query API of Jaeger v2.
type Jaeger struct{ endpoint }

// NewJaeger returns a client of the Jaeger whose query API answers at url,
// for example http://127.0.0.1:16686.
func NewJaeger(url string) *Jaeger {
	return &Jaeger{newEndpoint("Jaeger", strings.TrimRight(url, "/"))}
}

// Name is "Jaeger".
func (j *Jaeger) Name() string { return j.name }

// Trace implements TraceStore. It asks for the trace as it was stored, without
// the adjustments (of clock skew, for example) that Jaeger makes for its UI.
func (j *Jaeger) Trace(ctx context.Context, id string) (Trace, error) {
	id, err := ParseTraceID(id)
	if err != nil {
		return Trace{}, err
	}
	body, err := j.get(ctx, "/api/v3/traces/"+id+"?raw_traces=true", "application/json")
	if err != nil {
		return Trace{}, fmt.Errorf("trace %s: %w", id, err)
	}
	// The gRPC gateway of old streamed its answers, each in an object "result".
	var answer struct{ Result json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return Trace{}, fmt.Errorf("trace %s: Jaeger at %s does not answer in JSON: %w; is the address that of Jaeger's query API?", id, j.url, err)
	}
	var decoder ptrace.JSONUnmarshaler
	traces, err := decoder.UnmarshalTraces(answer.Result)
	if err != nil {
		return Trace{}, fmt.Errorf("trace %s: Jaeger at %s does not answer in OTLP: %w; is it version 2?", id, j.url, err)
	}
	if traces.SpanCount() == 0 {
		return Trace{}, fmt.Errorf("trace %s: Jaeger at %s: %w", id, j.url, ErrNotFound)
	}
	return fromOTLP(id, traces), nil
}
