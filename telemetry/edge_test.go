package telemetry

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/conf"
	gozerotrace "github.com/zeromicro/go-zero/core/trace"
	"github.com/zeromicro/go-zero/rest"
	"github.com/zeromicro/go-zero/rest/pathvar"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const (
	strangersTrace = "0af7651916cd43dd8448eb211c80319c"
	strangersSpan  = "b7ad6b7169203331"
)

// edgeService is a go-zero REST service behind Edge.
type edgeService struct {
	address string
	spans   *tracetest.SpanRecorder // as they leave the process
}

// compacting hands on what boundedSpans would send.
type compacting struct{ sdktrace.SpanProcessor }

func (p compacting) OnEnd(s sdktrace.ReadOnlySpan) {
	p.SpanProcessor.OnEnd(compact(s, maxText, maxText))
}

func startService(t *testing.T, trusted ...string) edgeService {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	gozerotrace.StartAgent(gozerotrace.Config{}) // sets a provider of its own once, and has now done so
	provider, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithRawSpanLimits(spanLimits()),
		sdktrace.WithSpanProcessor(serverSpans{}), sdktrace.WithSpanProcessor(compacting{spans})))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	t.Cleanup(func() { otel.SetTracerProvider(provider); otel.SetTextMapPropagator(propagator) })

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	var c rest.RestConf
	require.NoError(t, conf.LoadFromYamlBytes(fmt.Appendf(nil, "Name: edge\nHost: 127.0.0.1\nPort: %d\nMode: test\nLog: {Stat: false}\n",
		netip.MustParseAddrPort(address).Port()), &c))
	c.Middlewares.Log = false
	recordLogs(t)
	server, err := rest.NewServer(c)
	require.NoError(t, err)
	server.AddRoute(rest.Route{Method: http.MethodGet, Path: "/users/:id", Handler: func(w http.ResponseWriter, r *http.Request) {
		if pathvar.Vars(r)["id"] == "0" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprint(w, baggage.FromContext(r.Context()))
	}})
	edge, err := Edge(server, trusted)
	require.NoError(t, err)
	started := make(chan *http.Server, 1)
	go server.StartWithOpts(edge, func(s *http.Server) { started <- s })
	running := <-started
	t.Cleanup(func() { _ = running.Close() })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	}, 10*time.Second, 5*time.Millisecond)
	return edgeService{address, spans}
}

// ask sends a request as it is given, and returns the answer's status and body.
func (s edgeService) ask(t *testing.T, method, path string, headers ...string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	go func() { // the server may answer and close before it has read all
		_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method, path, strings.Join(append(headers, ""), "\r\n"))
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// span asks and returns the span of that request, once it has ended.
func (s edgeService) span(t *testing.T, method, path string, headers ...string) sdktrace.ReadOnlySpan {
	t.Helper()
	before := len(s.spans.Ended())
	s.ask(t, method, path, headers...)
	require.Eventually(t, func() bool { return len(s.spans.Ended()) > before }, 10*time.Second, time.Millisecond)
	return s.spans.Ended()[before]
}

func attributesOfSpan(s sdktrace.ReadOnlySpan) map[attribute.Key]string {
	attrs := map[attribute.Key]string{}
	for _, kv := range s.Attributes() {
		attrs[kv.Key] = kv.Value.String()
	}
	return attrs
}

func TestStrangersBeginATraceOfOurs(t *testing.T) {
	service := startService(t)
	for _, flags := range []string{"00", "01"} { // theirs does not turn our sampling off
		span := service.span(t, "GET", "/users/7", "traceparent: 00-"+strangersTrace+"-"+strangersSpan+"-"+flags, "tracestate: a="+strings.Repeat("x", 256))
		assert.NotEqual(t, strangersTrace, span.SpanContext().TraceID().String())
		assert.False(t, span.Parent().IsValid())
		assert.True(t, span.SpanContext().IsSampled())
		assert.Empty(t, span.SpanContext().TraceState().String())
		require.Len(t, span.Links(), 1)
		link := span.Links()[0].SpanContext
		assert.Equal(t, strangersTrace, link.TraceID().String())
		assert.Equal(t, strangersSpan, link.SpanID().String())
		assert.Empty(t, link.TraceState().String())
	}
	assert.Empty(t, service.span(t, "GET", "/users/7").Links())
	assert.Empty(t, service.span(t, "GET", "/users/7", "traceparent: 00-nonsense").Links())
	_, body := service.ask(t, "GET", "/users/7", "baggage: tenant=7")
	assert.Empty(t, body, "their baggage ends here")
}

func TestTrustedCallersContinueTheirTrace(t *testing.T) {
	for _, trusted := range []string{"127.0.0.1", "127.0.0.0/8", "0.0.0.0/0"} {
		t.Run(trusted, func(t *testing.T) {
			service := startService(t, "::1", trusted)
			span := service.span(t, "GET", "/users/7", "traceparent: 00-"+strangersTrace+"-"+strangersSpan+"-01")
			assert.Equal(t, strangersTrace, span.SpanContext().TraceID().String())
			assert.Equal(t, strangersSpan, span.Parent().SpanID().String())
			assert.Empty(t, span.Links())
			_, body := service.ask(t, "GET", "/users/7", "baggage: tenant=7")
			assert.Equal(t, "tenant=7", body)
			assert.Equal(t, "GET", service.span(t, "GET", "/wp-login.php", "traceparent: 00-"+strangersTrace+"-"+strangersSpan+"-01").Name())
		})
	}
	service := startService(t, "10.0.0.0/8")
	span := service.span(t, "GET", "/users/7", "traceparent: 00-"+strangersTrace+"-"+strangersSpan+"-01", "X-Forwarded-For: 10.0.0.1")
	assert.NotEqual(t, strangersTrace, span.SpanContext().TraceID().String(), "no header makes a caller trusted")
}

func TestEdgeNamesTheCallerItCannotRead(t *testing.T) {
	server, err := rest.NewServer(rest.RestConf{})
	require.NoError(t, err)
	for _, wrong := range []string{"gateway", "10.0.0.0/33", "10.0.0", ""} {
		_, err := Edge(server, []string{wrong})
		assert.ErrorContains(t, err, fmt.Sprintf("%q", wrong))
		assert.ErrorContains(t, err, "give an address")
	}
}

func TestPathThatIsNoRouteIsNoName(t *testing.T) {
	service := startService(t)
	span := service.span(t, "GET", "/wp-login.php?user=7")
	assert.Equal(t, "GET", span.Name())
	assert.NotContains(t, attributesOfSpan(span), attribute.Key("http.route"))
	assert.Equal(t, "/wp-login.php?user=7", attributesOfSpan(span)["http.target"])

	for _, path := range []string{"/users/7", "/users/0", "/users//7/"} { // of the second the handler says 404
		span = service.span(t, "GET", path)
		assert.Equal(t, "/users/:id", span.Name())
		assert.Equal(t, "/users/:id", attributesOfSpan(span)["http.route"])
	}
}

func TestMethodThatNobodyKnowsIsOther(t *testing.T) {
	span := startService(t).span(t, "BREW", "/pot")
	assert.Equal(t, "HTTP", span.Name())
	assert.Equal(t, "_OTHER", attributesOfSpan(span)["http.method"])
	assert.Equal(t, "BREW", attributesOfSpan(span)["http.request.method_original"])
}

func TestGiantRequestsAreRefused(t *testing.T) {
	service := startService(t)
	for name, c := range map[string]struct {
		status  int
		path    string
		headers []string
	}{
		"path":             {http.StatusRequestURITooLong, "/" + strings.Repeat("a", maxURL), nil},
		"long path":        {http.StatusRequestURITooLong, "/" + strings.Repeat("a", 66_000), nil},
		"query":            {http.StatusRequestURITooLong, "/users/7?q=" + strings.Repeat("a", maxURL), nil},
		"user agent":       {http.StatusRequestHeaderFieldsTooLarge, "/users/7", []string{"User-Agent: " + strings.Repeat("a", maxHeaders)}},
		"many headers":     {http.StatusRequestHeaderFieldsTooLarge, "/users/7", strings.Split(strings.Repeat("X: y\n", 4000)+"X: y", "\n")},
		"giant agent":      {http.StatusRequestHeaderFieldsTooLarge, "/users/7", []string{"User-Agent: " + strings.Repeat("a", 1<<20)}},
		"giant path":       {http.StatusRequestHeaderFieldsTooLarge, "/" + strings.Repeat("a", 900_000), nil},
		"just long enough": {http.StatusOK, "/users/7?q=" + strings.Repeat("a", maxURL-100), []string{"User-Agent: " + strings.Repeat("a", maxHeaders-100)}},
	} {
		status, _ := service.ask(t, "GET", c.path, c.headers...)
		assert.Equal(t, c.status, status, name)
	}
}
