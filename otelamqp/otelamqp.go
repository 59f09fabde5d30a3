// Package otelamqp is the OpenTelemetry instrumentation of
// github.com/rabbitmq/amqp091-go.
//
// [NewChannel] wraps an *amqp.Channel and keeps its method names, so that
// adopting the package is a one-line change:
//
//	ch := otelamqp.NewChannel(amqpChannel)
//	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "user.events", "user.logged_in", true, false, msg)
//
// A publish is a PRODUCER span that ends when the broker has answered (see
// [DeferredConfirmation]); handling a delivery is a CONSUMER span, made by
// [Channel.Process] or [Channel.StartProcess]. Names and attributes follow the
// messaging and the RabbitMQ pages of the OpenTelemetry semantic conventions,
// version 1.44.
//
// The same calls record the conventions' metrics messaging.client.sent.messages,
// messaging.client.operation.duration, messaging.client.consumed.messages and
// messaging.process.duration, and one of this package, the histogram
// messaging.message.time_in_queue: seconds from the publish (see
// [PublishedAtHeader]) to the start of the processing.
//
// The trace context travels in the message headers. Peers that drop headers can
// carry it in the body: see [WrapBody] and [UnwrapBody].
package otelamqp

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the instrumentation scope of every span and metric that this
// package makes.
const ScopeName = "throughline/otelamqp"

// Version of the instrumentation, recorded in its scope.
const Version = "0.1.0"

type config struct {
	tracerProvider trace.TracerProvider
	meterProvider  metric.MeterProvider
	propagator     propagation.TextMapPropagator
	attributes     []attribute.KeyValue
	bodySize       bool
}

// Option sets one concern of a [Channel].
type Option func(*config)

// WithTracerProvider sets where spans go. The default is the global
// TracerProvider at the time of [NewChannel].
func WithTracerProvider(tp trace.TracerProvider) Option {
	return func(c *config) { c.tracerProvider = tp }
}

// WithMeterProvider sets where metrics go. The default is the global
// MeterProvider at the time of [NewChannel].
func WithMeterProvider(mp metric.MeterProvider) Option {
	return func(c *config) { c.meterProvider = mp }
}

// WithPropagator sets how the trace context is written into and read from
// message headers. The default is the global propagator at the time of
// [NewChannel].
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(c *config) { c.propagator = p }
}

// WithServerAddress records the broker's host name or IP address and its port
// as server.address and server.port on every span and metric: an amqp.Channel does not
// tell which connection it belongs to. A port of 0 or less is left out.
func WithServerAddress(host string, port int) Option {
	return func(c *config) { c.attributes = append(c.attributes, serverAttributes(host, port)...) }
}

// WithBodySize records the size of the body in bytes as
// messaging.message.body.size, which the conventions make opt-in.
func WithBodySize() Option {
	return func(c *config) { c.bodySize = true }
}

func newConfig(opts []Option) config {
	c := config{
		tracerProvider: otel.GetTracerProvider(),
		meterProvider:  otel.GetMeterProvider(),
		propagator:     otel.GetTextMapPropagator(),
	}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}
