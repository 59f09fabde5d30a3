package telemetry

import (
	"context"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// go-zero's names, of the conventions of 2021, and what today's ask for beside them.
const (
	methodKey         = attribute.Key("http.method")
	routeKey          = attribute.Key("http.route")
	originalMethodKey = attribute.Key("http.request.method_original")
)

const otherMethod = "_OTHER"

// methods are those that the conventions know.
var methods = []string{
	http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
	http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace, "QUERY",
}

// serverSpans keeps a caller of go-zero's REST server from choosing what becomes
// the name of a span or an attribute of its metrics.
type serverSpans struct{}

func (serverSpans) OnStart(ctx context.Context, span sdktrace.ReadWriteSpan) {
	if span.SpanKind() != trace.SpanKindServer {
		return
	}
	var method, route string
	for _, kv := range span.Attributes() {
		switch kv.Key {
		case methodKey:
			method = kv.Value.AsString()
		case routeKey:
			route = kv.Value.AsString()
		}
	}
	name := method
	if method != "" && !slices.Contains(methods, method) {
		span.SetAttributes(methodKey.String(otherMethod), originalMethodKey.String(method))
		name = "HTTP" // as the conventions ask for
	}
	in, _ := ctx.Value(incomingKey{}).(*incoming)
	if in == nil {
		return
	}
	if in.stranger.IsValid() && !span.Parent().IsValid() {
		span.AddLink(trace.Link{SpanContext: in.stranger})
	}
	if _, known := in.routes[route]; route != "" && !known { // go-zero takes the path for it
		span.SetName(name)
		span.SetAttributes(routeKey.String(""))
	}
}

func (serverSpans) OnEnd(sdktrace.ReadOnlySpan)      {}
func (serverSpans) Shutdown(context.Context) error   { return nil }
func (serverSpans) ForceFlush(context.Context) error { return nil }

// withoutEmptyRoute takes out what serverSpans can only empty.
func withoutEmptyRoute(attrs []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(attrs, func(kv attribute.KeyValue) bool { return kv.Key == routeKey && kv.Value.AsString() == "" })
}
