package otelamqp

import (
	"context"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
)

const (
	// PublishedAtHeader is the message header with the time of the publish, in
	// nanoseconds since the Unix epoch (an AMQP long-long), which no other message of
	// the channel has. Mandatory messages always have it, to tell them by when they
	// come back, and all by [WithPublishedAt].
	PublishedAtHeader = "x-published-at"

	// OriginHeader is the message header with the id of the first trace of a
	// message that was published again in another trace with its headers, as
	// retries and dead letters are.
	OriginHeader = "x-origin-trace-id"
)

// maxCarrierValue bounds, in bytes, what is read from one header or envelope
// field. W3C asks for at least 512 bytes of tracestate and 8192 of baggage;
// whatever is longer did not come from a propagator.
const maxCarrierValue = 8192

// HeaderCarrier reads and writes the trace context in AMQP message headers. It
// implements propagation.TextMapCarrier.
type HeaderCarrier amqp.Table

// Get returns the value of a header that is a string or a byte string of at
// most 8192 bytes, and "" for any other: a header of another AMQP type is not
// an error, it is just not a context.
func (c HeaderCarrier) Get(key string) string {
	switch v := c[key].(type) {
	case string:
		if len(v) <= maxCarrierValue {
			return v
		}
	case []byte:
		if len(v) <= maxCarrierValue {
			return string(v)
		}
	}
	return ""
}

// Set writes a header.
func (c HeaderCarrier) Set(key, value string) { c[key] = value }

// Keys lists the names of all headers.
func (c HeaderCarrier) Keys() []string {
	return slices.AppendSeq(make([]string, 0, len(c)), maps.Keys(c))
}

// contextHeaders are those that the propagator writes. The global one may be set
// after this package was asked for it.
func (i *Instrumentation) contextHeaders() []string {
	if kept := i.fields.Load(); kept != nil {
		return *kept
	}
	fields := i.config.propagator.Fields()
	if len(fields) > 0 {
		i.fields.Store(&fields)
	}
	return fields
}

// inject returns a copy of headers with the context of ctx in place of any other:
// a caller may publish the same table from many goroutines, so it is never
// written to.
func (i *Instrumentation) inject(ctx context.Context, headers amqp.Table) amqp.Table {
	written := i.contextHeaders()
	injected := make(amqp.Table, len(headers)+len(written)+1)
	maps.Copy(injected, headers)
	if len(headers) > 0 && trace.SpanContextFromContext(ctx).IsValid() {
		for _, key := range written { // an old tracestate must not stay beside a new traceparent
			delete(injected, key)
		}
	}
	if bag := baggage.FromContext(ctx); bag.Len() > 0 {
		ctx = baggage.ContextWithBaggage(ctx, i.config.baggage.merge(baggage.Baggage{}, bag))
	}
	i.config.propagator.Inject(ctx, HeaderCarrier(injected))
	return injected
}

// earlier is the context in the headers of a message that is published again, if
// that is in another trace than the span in ctx.
func (i *Instrumentation) earlier(ctx context.Context, headers amqp.Table) trace.SpanContext {
	for _, key := range i.contextHeaders() {
		if _, found := headers[key]; !found {
			continue
		}
		creation := trace.SpanContextFromContext(i.config.propagator.Extract(context.Background(), HeaderCarrier(headers)))
		if creation.IsValid() && creation.TraceID() != trace.SpanContextFromContext(ctx).TraceID() {
			return creation
		}
		break
	}
	return trace.SpanContext{}
}

// extract returns ctx with the context that a message carries, in its headers or,
// when those hold none, in a body envelope if it may; ctx must hold no span of its own.
func (i *Instrumentation) extract(ctx context.Context, d *amqp.Delivery) context.Context {
	extracted := i.config.propagator.Extract(ctx, HeaderCarrier(d.Headers))
	if i.config.bodyEnvelope && !trace.SpanContextFromContext(extracted).IsValid() {
		if _, carrier := UnwrapBody(d.Body); carrier != nil {
			extracted = i.config.propagator.Extract(ctx, carrier)
		}
	}
	if carried := baggage.FromContext(extracted); carried.Len() > 0 {
		return baggage.ContextWithBaggage(extracted, i.config.baggage.merge(baggage.FromContext(ctx), carried))
	}
	return extracted
}

// allowList holds the names of the baggage members that may cross the broker.
type allowList []string

// merge adds the members of crossing that may cross to own.
func (a allowList) merge(own, crossing baggage.Baggage) baggage.Baggage {
	for _, member := range crossing.Members() {
		if slices.Contains(a, "*") || slices.Contains(a, member.Key()) {
			if merged, err := own.SetMember(member); err == nil { // or there are too many
				own = merged
			}
		}
	}
	return own
}
