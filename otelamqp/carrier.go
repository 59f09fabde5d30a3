package otelamqp

import (
	"maps"

	amqp "github.com/rabbitmq/amqp091-go"
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
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

// cloneHeaders copies a table, so that a caller may publish the same one from
// many goroutines: injecting must never write into it.
func cloneHeaders(headers amqp.Table) amqp.Table {
	clone := make(amqp.Table, len(headers)+3)
	maps.Copy(clone, headers)
	return clone
}
