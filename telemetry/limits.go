package telemetry

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// What one span or log record may hold where no OTEL_* variable says otherwise.
// Whoever calls a service decides how long a path, a header or an error text is,
// and must not decide how much memory that takes on the way to the stores.
const (
	// maxText bounds every string, in bytes: names, values, status messages.
	maxText = 2048
	// maxEvents, maxEventAttributes and maxLinkAttributes are below the SDK's 128:
	// 128 events with 128 values of maxText would be 32 MiB in one span.
	maxEvents          = 32
	maxEventAttributes = 16
	maxLinkAttributes  = 4
	// maxLinks is above the SDK's 128, of which a batch of a thousand messages, with a
	// link to each producer, would keep the last.
	maxLinks = 1024
)

// noLimit leaves what it bounds to the SDK.
const noLimit = -1

var spanValueLengths = []string{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"}

// spanLimits are the SDK's, which reads its variables, with ours as defaults.
func spanLimits() sdktrace.SpanLimits {
	limits := sdktrace.NewSpanLimits()
	if unset(spanValueLengths...) {
		limits.AttributeValueLengthLimit = maxText
	}
	if unset("OTEL_SPAN_EVENT_COUNT_LIMIT") {
		limits.EventCountLimit = maxEvents
	}
	if unset("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT") {
		limits.AttributePerEventCountLimit = maxEventAttributes
	}
	if unset("OTEL_SPAN_LINK_COUNT_LIMIT") {
		limits.LinkCountLimit = maxLinks
	}
	if unset("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT") {
		limits.AttributePerLinkCountLimit = maxLinkAttributes
	}
	return limits
}

// cut returns at most limit bytes of s, whole characters all of them, and keeps
// nothing of a longer s in memory.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit])
}

// compact returns a span whose name and status message are cut at text bytes, and
// the values of its attributes at value, and that holds nothing else in memory. A
// path, say, is part of the text of all headers of its request, and keeps that
// whole; the SDK counts characters, of up to four bytes, and bounds neither names nor
// status messages.
func compact(s sdktrace.ReadOnlySpan, text, value int) sdktrace.ReadOnlySpan {
	stub := tracetest.SpanStubFromReadOnlySpan(s)
	stub.Name = own(stub.Name, text)
	stub.Status.Description = own(stub.Status.Description, text)
	stub.Attributes = withoutEmptyRoute(ownAttributes(stub.Attributes, value))
	events := make([]sdktrace.Event, len(stub.Events))
	for i, event := range stub.Events {
		event.Name = own(event.Name, text)
		event.Attributes = ownAttributes(event.Attributes, value)
		events[i] = event
	}
	links := make([]sdktrace.Link, len(stub.Links))
	for i, link := range stub.Links {
		link.Attributes = ownAttributes(link.Attributes, value)
		links[i] = link
	}
	stub.Events, stub.Links = events, links
	return stub.Snapshot()
}

// own is a copy of at most limit bytes of s.
func own(s string, limit int) string {
	if limit != noLimit && len(s) > limit {
		return cut(s, limit)
	}
	return strings.Clone(s)
}

func ownAttributes(attrs []attribute.KeyValue, limit int) []attribute.KeyValue {
	owned := make([]attribute.KeyValue, len(attrs))
	for i, kv := range attrs {
		owned[i] = attribute.KeyValue{Key: kv.Key, Value: ownValue(kv.Value, limit)} // the keys are the programs' own
	}
	return owned
}

func ownValue(v attribute.Value, limit int) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(own(v.AsString(), limit))
	case attribute.STRINGSLICE:
		values := v.AsStringSlice()
		for i, s := range values {
			values[i] = own(s, limit)
		}
		return attribute.StringSliceValue(values)
	default:
		return v // holds no part of another text; the SDK has cut what is in it
	}
}

// size is about what a span takes in memory, in bytes. It is the same for the same
// span, whenever it is asked for.
func size(s sdktrace.ReadOnlySpan) int {
	const span, item = 448, 96 // the structs, without texts
	n := span + len(s.Name()) + len(s.Status().Description) + attributesSize(s.Attributes())
	for _, event := range s.Events() {
		n += item + len(event.Name) + attributesSize(event.Attributes)
	}
	for _, link := range s.Links() {
		n += item + attributesSize(link.Attributes)
	}
	return n
}

func attributesSize(attrs []attribute.KeyValue) (n int) {
	const item = 64
	for _, kv := range attrs {
		n += item + valueSize(kv.Value)
	}
	return n
}

func valueSize(v attribute.Value) int {
	switch v.Type() {
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return 0
	case attribute.STRING:
		return len(v.AsString())
	default:
		return len(v.String())
	}
}
