package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/zeromicro/go-zero/rest"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// What a request may measure in front of its body, in bytes.
const (
	maxURL     = 16 << 10
	maxHeaders = 16 << 10
	// maxHead is where net/http itself stops to read, and answers 431. Between this
	// and the two others the answer can tell which it was.
	maxHead = 64 << 10
)

// Edge prepares a go-zero REST service for requests of strangers:
//
//	edge, err := telemetry.Edge(server, c.TrustedCallers)
//	…
//	server.StartWithOpts(edge)
//
// A URL above 16 KiB is answered 414, headers above 16 KiB 431. The trace context of
// a stranger, by whatever propagator, does not go on: the request begins a trace of
// its own, sampled as this service decides, with a link to the stranger's span;
// baggage ends here. A span of a path that is no route has no http.route and is
// named by its method, so that a scan makes no name for each path it tries.
//
// trusted are the callers whose context goes on, such as a gateway that begins the
// traces: addresses and networks (10.0.0.7, 10.0.0.0/8, ::1), compared with the
// address that the connection comes from. No header can claim to be one.
func Edge(server *rest.Server, trusted []string) (rest.StartOption, error) {
	e := &edge{routes: map[string]struct{}{}}
	for _, caller := range trusted {
		network, err := parseNetwork(caller)
		if err != nil {
			return nil, fmt.Errorf("telemetry: trusted caller %q: %w; give an address (10.0.0.7, ::1) or a network (10.0.0.0/8)", caller, err)
		}
		e.trusted = append(e.trusted, network)
	}
	return func(s *http.Server) {
		for _, route := range server.Routes() { // all of them, as the server starts now
			e.routes[route.Path] = struct{}{}
		}
		s.MaxHeaderBytes = maxHead
		e.next, s.Handler = s.Handler, e
	}, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		network, err := netip.ParsePrefix(text)
		return network.Masked(), err
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(address.BitLen())
}

type edge struct {
	next    http.Handler
	routes  map[string]struct{}
	trusted []netip.Prefix
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case len(r.RequestURI) > maxURL:
		refuse(w, http.StatusRequestURITooLong, fmt.Sprintf("the URL is longer than %d bytes", maxURL))
		return
	case headerSize(r.Header) > maxHeaders:
		refuse(w, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the headers are larger than %d bytes", maxHeaders))
		return
	}
	in := &incoming{routes: e.routes}
	if !e.trusts(r.RemoteAddr) {
		in.stranger = endContext(r.Header)
	}
	e.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), incomingKey{}, in)))
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Connection", "close")
	http.Error(w, message, status)
}

func headerSize(headers http.Header) (n int) {
	for name, values := range headers {
		for _, value := range values {
			n += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return n
}

func (e *edge) trusts(peer string) bool {
	address, err := netip.ParseAddrPort(peer)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(e.trusted, func(n netip.Prefix) bool { return n.Contains(address.Addr().Unmap()) })
}

// endContext takes trace context and baggage out of the headers and returns the
// span that they named, without its tracestate, which may be long.
func endContext(headers http.Header) trace.SpanContext {
	propagator := otel.GetTextMapPropagator()
	ctx := propagator.Extract(context.Background(), propagation.HeaderCarrier(headers))
	for _, field := range propagator.Fields() {
		headers.Del(field)
	}
	for name := range headers {
		if strings.HasPrefix(name, "Ot-Baggage-") { // ottrace has a header for each member
			delete(headers, name)
		}
	}
	return trace.SpanContextFromContext(ctx).WithTraceState(trace.TraceState{})
}

// incoming is what the span of a request needs to know of its way in.
type incoming struct {
	routes   map[string]struct{}
	stranger trace.SpanContext // if valid
}

type incomingKey struct{}
