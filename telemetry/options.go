package telemetry

import (
	"regexp"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Option changes one thing that [Setup] does.
type Option func(*config)

type config struct {
	masker     masker
	keep       func(sdktrace.ReadOnlySpan) bool // nil: all
	processors []sdktrace.SpanProcessor
	attributes []attribute.KeyValue
}

func newConfig(opts []Option) config {
	c := config{masker: mobileNumbers}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

// WithMask replaces in every log line, and in the errors of OpenTelemetry itself,
// what the pattern matches, as [regexp.Regexp.ReplaceAllString] does. The default
// hides mobile numbers of mainland China; a nil pattern hides nothing. What the
// pattern matches should not be longer than 64 bytes, or it may be missed where a
// long text is cut.
func WithMask(pattern *regexp.Regexp, replacement string) Option {
	return func(c *config) { c.masker = masker{pattern, replacement} }
}

// WithSpanFilter leaves out the ended spans for which keep is false, before they are
// queued for export. What is below such a span in its trace stays, without a parent.
func WithSpanFilter(keep func(sdktrace.ReadOnlySpan) bool) Option {
	return func(c *config) { c.keep = keep }
}

// WithSpanProcessor adds a processor in front of the export. In OnStart it may change
// a span. Shutdown shuts it down.
func WithSpanProcessor(p sdktrace.SpanProcessor) Option {
	return func(c *config) { c.processors = append(c.processors, p) }
}

// WithResourceAttributes adds attributes to the resource of all signals. Those of
// OTEL_RESOURCE_ATTRIBUTES win.
func WithResourceAttributes(attrs ...attribute.KeyValue) Option {
	return func(c *config) { c.attributes = append(c.attributes, attrs...) }
}
