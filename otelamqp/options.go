package otelamqp

import (
	"context"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

type config struct {
	tracerProvider trace.TracerProvider
	meterProvider  metric.MeterProvider
	propagator     propagation.TextMapPropagator

	server, peer, attributes []attribute.KeyValue
	publishAttributes        func(context.Context, *amqp.Publishing) []attribute.KeyValue
	deliveryAttributes       func(context.Context, *amqp.Delivery) []attribute.KeyValue
	spanName, template       func(Operation) string
	filter                   func(Operation) bool
	isError                  func(error) bool
	bodySize, settleSpans    bool
	publishedAt              bool
	bodyEnvelope             bool

	baggage                 allowList
	attemptHeader           string
	linked, newOnRedelivery bool
	newAfter                time.Duration
}

// Option sets one concern of an [Instrumentation].
type Option func(*config)

// WithTracerProvider sets where spans go. The default, also for nil, is the global
// TracerProvider, which may be set later.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return func(c *config) { c.tracerProvider = tp }
}

// WithMeterProvider sets where metrics go. The default, also for nil, is the global
// MeterProvider, which may be set later.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return func(c *config) { c.meterProvider = mp }
}

// WithPropagator sets how the trace context is written into and read from
// message headers. The default, also for nil, is the global propagator, which may be
// set later. Baggage crosses the broker only by [WithBaggage].
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(c *config) { c.propagator = p }
}

// WithServerAddress records the broker's host name or IP address and its port as
// server.address and server.port on every span and metric: an amqp.Channel does
// not tell which connection it belongs to. A port of 0 or less is left out.
func WithServerAddress(host string, port int) Option {
	return func(c *config) {
		c.server = []attribute.KeyValue{semconv.ServerAddress(valid(host))}
		if port > 0 {
			c.server = append(c.server, semconv.ServerPort(port))
		}
	}
}

// WithPeerAddress records the broker node that is talked to, which is
// (*amqp.Connection).RemoteAddr, as network.peer.address and network.peer.port
// on send, receive and settle spans. An address that is not TCP/IP has no port.
func WithPeerAddress(addr net.Addr) Option {
	return func(c *config) {
		if tcp, ok := addr.(*net.TCPAddr); ok {
			c.peer = []attribute.KeyValue{semconv.NetworkPeerAddress(tcp.IP.String()), semconv.NetworkPeerPort(tcp.Port)}
		} else if addr != nil {
			c.peer = []attribute.KeyValue{semconv.NetworkPeerAddress(valid(addr.String()))}
		}
	}
}

// WithAttributes adds attributes to every span, such as messaging.client.id.
// They are there when the sampler decides.
func WithAttributes(attrs ...attribute.KeyValue) Option {
	return func(c *config) { c.attributes = append(c.attributes, attrs...) }
}

// WithPublishAttributes adds the attributes that of returns to each recorded
// send span. It must not change the message.
func WithPublishAttributes(of func(context.Context, *amqp.Publishing) []attribute.KeyValue) Option {
	return func(c *config) { c.publishAttributes = of }
}

// WithDeliveryAttributes adds the attributes that of returns to each recorded
// receive and process span of a single message. It must not change the message.
func WithDeliveryAttributes(of func(context.Context, *amqp.Delivery) []attribute.KeyValue) Option {
	return func(c *config) { c.deliveryAttributes = of }
}

// WithSpanName replaces the conventions' span name "{operation} {destination}".
// It is called once for each distinct operation, and its result is kept.
func WithSpanName(of func(Operation) string) Option {
	return func(c *config) { c.spanName = of }
}

// WithDestinationTemplate gives destinations with variable parts (a routing key
// that holds a customer's number, say) a name of low cardinality. It becomes
// messaging.destination.template, and stands for the destination in the names of
// spans and on metrics. An empty template means that there is none.
func WithDestinationTemplate(of func(Operation) string) Option {
	return func(c *config) { c.template = of }
}

// WithFilter leaves out the spans and metrics of operations for which keep is
// false. The trace context of the caller still travels with the message.
func WithFilter(keep func(Operation) bool) Option {
	return func(c *config) { c.filter = keep }
}

// WithErrorFilter says which errors are errors to telemetry: where isError returns
// false, spans and metrics are those of a success. The caller gets the error all the
// same.
func WithErrorFilter(isError func(error) bool) Option {
	return func(c *config) { c.isError = isError }
}

// WithPublishedAt puts [PublishedAtHeader] into every message. Without it, the
// consumers of a message that is not mandatory know its time in the queue from the
// timestamp property, in whole seconds, or not at all where the application sets
// none: messaging.message.time_in_queue lacks it, and for [WithNewTraceAfter] it is
// never old.
func WithPublishedAt() Option {
	return func(c *config) { c.publishedAt = true }
}

// WithBodyEnvelope makes consumers look for the context in the body, in an envelope
// that [WrapBody] has made, where the headers hold none. Without it the context of
// such a message is not found, and its handling begins a trace.
func WithBodyEnvelope() Option {
	return func(c *config) { c.bodyEnvelope = true }
}

// WithBodySize records the size of the body in bytes as
// messaging.message.body.size, which the conventions make opt-in.
func WithBodySize() Option {
	return func(c *config) { c.bodySize = true }
}

// WithSettleSpans makes Ack, Nack and Reject spans, too. They are always measured.
// The broker does not answer them, so their spans tell little but the time at
// which a message was let go, and cost as much as the others.
func WithSettleSpans() Option {
	return func(c *config) { c.settleSpans = true }
}

// WithBaggage lets the baggage members of these names cross the broker in both
// directions, or all of them for "*". By default none does: a queue often ends in
// another team's hands, and baggage may hold what should stay.
func WithBaggage(keys ...string) Option {
	return func(c *config) { c.baggage = append(c.baggage, keys...) }
}

// WithAttemptHeader names the header in which the application itself counts how
// often a message has failed (an AMQP integer), for [Channel.Attempt].
func WithAttemptHeader(name string) Option {
	return func(c *config) { c.attemptHeader = name }
}

// WithLinkedTraces makes process spans begin a trace of their own, linked to the
// message's context, or children of the span in the context that they are given.
// It is the conventions' default structure, fit for queues in which messages stay
// long or that many consumers read.
func WithLinkedTraces() Option {
	return func(c *config) { c.linked = true }
}

// WithNewTraceOnRedelivery is [WithLinkedTraces] for messages that were delivered
// before (see [Channel.Attempt]).
func WithNewTraceOnRedelivery() Option {
	return func(c *config) { c.newOnRedelivery = true }
}

// WithNewTraceAfter is [WithLinkedTraces] for messages published longer ago than
// age, whose traces the stores may have closed.
func WithNewTraceAfter(age time.Duration) Option {
	return func(c *config) { c.newAfter = age }
}

func newConfig(opts []Option) config {
	var c config
	for _, opt := range opts {
		opt(&c)
	}
	if c.tracerProvider == nil {
		c.tracerProvider = otel.GetTracerProvider()
	}
	if c.meterProvider == nil {
		c.meterProvider = otel.GetMeterProvider()
	}
	if c.propagator == nil {
		c.propagator = otel.GetTextMapPropagator()
	}
	return c
}
