package otelamqp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
)

// envelope is the second carrier: a JSON body that holds the context beside the
// payload, for peers that drop message headers.
type envelope struct {
	Carrier map[string]string `json:"carrier"`
	Payload json.RawMessage   `json:"payload"`
}

var carrierMember = []byte(`"carrier"`)

// WrapBody puts a JSON payload into an envelope together with the trace context
// of ctx: {"carrier": {"traceparent": "…"}, "payload": …}. Baggage stays behind.
// It returns an error, and never panics, when the payload is not valid JSON.
func WrapBody(ctx context.Context, propagator propagation.TextMapPropagator, payload []byte) ([]byte, error) {
	if !json.Valid(payload) {
		return nil, errors.New("otelamqp: the payload of an envelope must be valid JSON: marshal it first, or carry the context in headers")
	}
	e := envelope{Carrier: map[string]string{}, Payload: payload}
	propagator.Inject(baggage.ContextWithoutBaggage(ctx), propagation.MapCarrier(e.Carrier))
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("otelamqp: encode the envelope: %w", err)
	}
	return body, nil
}

// UnwrapBody returns the payload and the carrier of an envelope. A body that is
// not an envelope, that is, not a JSON object with just the members carrier (an
// object of strings) and payload, is returned as it is, with a nil carrier.
func UnwrapBody(body []byte) (payload []byte, carrier propagation.MapCarrier) {
	if !bytes.Contains(body, carrierMember) { // most bodies: not worth decoding
		return body, nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var e envelope
	if err := dec.Decode(&e); err != nil || e.Carrier == nil || e.Payload == nil || dec.More() {
		return body, nil
	}
	for key, value := range e.Carrier {
		if len(value) > maxCarrierValue {
			delete(e.Carrier, key)
		}
	}
	return e.Payload, e.Carrier
}
