package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"throughline/internal/backend"
	"throughline/internal/tree"
)

const (
	adoptQueue    = "adopt.shipping"
	adoptExchange = "adopt.orders"

	bareConfig  = "0-bare/orders.yaml"
	blockConfig = "1-telemetry-block/orders.yaml"
)

// TestAdoption takes the steps of docs/adopt.md with the programs of docs/adopt.
func TestAdoption(t *testing.T) {
	t.Cleanup(func() {
		deleteAdoptQueue(t)
		require.NoError(t, channel(t).ExchangeDelete(adoptExchange, false, false))
	})
	documented, began := documentedTraces(t), time.Now()
	module := teamsModule(t)
	bare, telemetry, otelamqp := buildStep(t, module, "0-bare"), buildStep(t, module, "2-telemetry"), buildStep(t, module, "3-otelamqp")
	// lineOf waits for the one line that matches: no step before wrote such a line.
	lineOf := func(query string) backend.LogLine {
		var lines []backend.LogLine
		require.Eventually(t, func() bool {
			var err error
			lines, err = backend.NewLoki(target.LokiURL).Lines(t.Context(), query, backend.Window{Start: began, End: time.Now()}, 100)
			require.NoError(t, err)
			return len(lines) > 0
		}, 30*time.Second, 200*time.Millisecond, query)
		require.Len(t, lines, 1, query)
		return lines[0]
	}

	// 0: as it was.
	team := startTeam(t, bare, bareConfig, "shipping")
	untraced := team.placeOrder(t)
	team.stop(t)
	assert.False(t, untraced.IsSampled(), "go-zero alone samples nothing")

	// 1: go-zero's Telemetry block.
	team = startTeam(t, bare, blockConfig, "shipping")
	exported := team.placeOrder(t)
	team.stop(t)
	spans := requireDocumented(t, exported, documented["1"])
	assert.Equal(t, backend.Attributes{"service.name": "orders"}, spans[0].Resource)
	requireSeries(t, `traces_span_metrics_calls_total{service_name="orders", span_name="POST /orders"}`)
	requireSeries(t, `rabbitmq_consumer_count{rabbitmq_queue_name="adopt.shipping"}`)
	assert.Empty(t, series(t, `{__name__=~"http_server_requests_.+", service_name="orders"}`))
	_, err := tempo().Trace(t.Context(), untraced.TraceID().String())
	assert.ErrorIs(t, err, backend.ErrNotFound, "of the order before there is no trace")

	// 2: telemetry.
	team = startTeam(t, telemetry, bareConfig, "shipping")
	configured := team.placeOrder(t)
	spans = requireDocumented(t, configured, documented["1"])
	for _, key := range []string{"service.version", "service.instance.id", "host.name", "process.pid"} {
		assert.Contains(t, spans[0].Resource, key)
	}
	placed := lineOf(`{service_name="orders"} |= "is placed"`)
	assert.Equal(t, configured.TraceID().String(), placed.Labels["trace_id"])
	assert.Equal(t, configured.SpanID().String(), placed.Labels["span_id"])
	shipped := lineOf(`{service_name="shipping"} |= "is shipped"`)
	assert.NotContains(t, shipped.Labels, "trace_id", "nothing traces the consumer yet")
	requireSeries(t, `http_server_requests_code_total{service_name="orders", path="/orders"}`)
	requireSeries(t, `go_goroutine_count{service_name="shipping"}`)
	team.stop(t)
	assert.Empty(t, series(t, `{__name__=~"messaging_.+", service_name=~"orders|shipping"}`))

	// 3: otelamqp, with one worker and with a pool of them.
	for _, consumer := range []string{"shipping", "pool"} {
		team = startTeam(t, otelamqp, bareConfig, consumer)
		joined := team.placeOrder(t)
		spans = requireDocumented(t, joined, documented["3"])
		shipped = lineOf(fmt.Sprintf(`{service_name="shipping"} |= "is shipped" | trace_id=%q`, joined.TraceID()))
		assert.Equal(t, find(t, spans, "process").SpanID, shipped.Labels["span_id"])

		status, nonsense := team.post(t, "not JSON")
		assert.Equal(t, http.StatusAccepted, status)
		spans = storedSpans(t, tempo(), nonsense, 3).Spans
		assert.Equal(t, backend.StatusError, find(t, spans, "process").StatusCode)

		team.consumer.stop(t)
		deleteAdoptQueue(t)
		status, unroutable := team.post(t, `{"item":"book"}`)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		spans = storedSpans(t, tempo(), unroutable, 2).Spans
		assert.Equal(t, "unroutable", find(t, spans, "send").Attributes["error.type"])
		team.orders.stop(t)
	}
	requireSeries(t, `messaging_client_sent_messages_total{service_name="orders"}`)
	requireSeries(t, `messaging_process_duration_seconds_count{service_name="shipping"}`)
	requireSeries(t, `messaging_message_time_in_queue_seconds_count{service_name="shipping"}`)
	requireSeries(t, `traces_service_graph_request_total{client="orders", server="shipping"}`)
}

// firstCommands is the first block of commands on a page.
var firstCommands = regexp.MustCompile("(?s)\n```sh\nmake [^\n]*\n(.*?)```\n")

// teamsModule makes the team's module as docs/adopt.md says, and returns its directory.
func teamsModule(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(running.Root(), "docs/adopt.md"))
	require.NoError(t, err)
	documented := firstCommands.FindSubmatch(page)
	require.NotNil(t, documented)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(running.Root(), filepath.Join(dir, "throughline")))
	commands := exec.CommandContext(t.Context(), "bash", "-euc", string(documented[1]))
	commands.Dir = dir
	output, err := commands.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return filepath.Join(dir, "shop")
}

// buildStep builds the programs of one step in the team's module and returns their directory.
func buildStep(t *testing.T, module, step string) string {
	t.Helper()
	return buildPrograms(t, module, "./"+step+"/...")
}

// buildPrograms builds the programs of a package pattern of the module and returns their directory.
func buildPrograms(t *testing.T, module, pattern string) string {
	t.Helper()
	dir := t.TempDir() + string(filepath.Separator)
	// The services' flags: most packages are in the build cache already.
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir, pattern)
	build.Dir, build.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return dir
}

// team is the two programs of a step, running.
type team struct {
	orders, consumer *program
	url              string
}

func startTeam(t *testing.T, binaries, config, consumer string) team {
	t.Helper()
	yaml, err := os.ReadFile(filepath.Join(running.Root(), "docs/adopt", config))
	require.NoError(t, err)
	port := environment.Getenv("ADOPT_ORDERS_PORT")
	file := filepath.Join(t.TempDir(), "orders.yaml")
	moved := strings.NewReplacer("8090", port, "127.0.0.1:4317", target.OTLPGRPC).Replace(string(yaml))
	require.NoError(t, os.WriteFile(file, []byte(moved), 0o600))

	s := team{
		consumer: startProgram(t, filepath.Join(binaries, consumer)),
		orders:   startProgram(t, filepath.Join(binaries, "orders"), "-f", file),
		url:      "http://127.0.0.1:" + port,
	}
	conn, err := amqp.Dial(running.Endpoints().RabbitMQ)
	require.NoError(t, err)
	defer conn.Close()
	require.Eventually(t, func() bool {
		ch, err := conn.Channel() // one for each look: the broker closes it when there is no such queue
		require.NoError(t, err)
		queue, err := ch.QueueDeclarePassive(adoptQueue, true, false, false, false, nil)
		return err == nil && queue.Consumers == 1
	}, 30*time.Second, 50*time.Millisecond, "%s consumes", consumer)
	require.Eventually(t, func() bool {
		answer, err := http.Get(s.url)
		return err == nil && answer.Body.Close() == nil
	}, 30*time.Second, 50*time.Millisecond, "orders serves")
	return s
}

// placeOrder returns the span in which the order was placed, once it is shipped.
func (s team) placeOrder(t *testing.T) trace.SpanContext {
	t.Helper()
	status, span := s.post(t, `{"item":"book"}`)
	require.Equal(t, http.StatusAccepted, status)
	require.Eventually(t, func() bool { return strings.Contains(s.consumer.output(t), "is shipped") }, 30*time.Second, 20*time.Millisecond)
	return span
}

func (s team) post(t *testing.T, order string) (status int, span trace.SpanContext) {
	t.Helper()
	answer, err := http.Post(s.url+"/orders", "application/json", strings.NewReader(order))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.HeaderCarrier(answer.Header))
	return answer.StatusCode, trace.SpanContextFromContext(ctx)
}

func (s team) stop(t *testing.T) {
	t.Helper()
	s.orders.stop(t)
	s.consumer.stop(t)
}

type program struct {
	*exec.Cmd
	log string
}

func startProgram(t *testing.T, path string, args ...string) *program {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	p := &program{exec.Command(path, args...), log.Name()}
	p.Env = append(os.Environ(), "RABBITMQ_URL="+running.Endpoints().RabbitMQ, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+target.OTLPGRPC,
		"OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_METRIC_EXPORT_INTERVAL=500")
	p.Stdout, p.Stderr = log, log
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		if p.ProcessState == nil { // a failed test has not stopped it
			_ = p.Process.Kill()
			_ = p.Wait()
			t.Logf("%s: %s", path, p.output(t))
		}
	})
	return p
}

func (p *program) output(t *testing.T) string {
	t.Helper()
	output, err := os.ReadFile(p.log)
	require.NoError(t, err)
	return string(output)
}

// stop ends the program as its user would, upon which it exports what it has left.
func (p *program) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.Wait(), p.output(t))
}

func deleteAdoptQueue(t *testing.T) {
	t.Helper()
	_, err := channel(t).QueueDelete(adoptQueue, false, false, false)
	require.NoError(t, err)
}

func storedSpans(t *testing.T, store backend.TraceStore, of trace.SpanContext, n int) backend.Trace {
	t.Helper()
	return storedTrace(t, store, of.TraceID().String(), n)
}

// storedTrace waits until the store holds so many spans of the trace.
func storedTrace(t *testing.T, store backend.TraceStore, id string, n int) backend.Trace {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stored, err := backend.WaitForSpans(ctx, store, id, n)
	require.NoError(t, err)
	return stored
}

// requireDocumented returns the spans of a trace that both stores hold just as it
// is documented.
func requireDocumented(t *testing.T, of trace.SpanContext, documented string) []backend.Span {
	t.Helper()
	var stored backend.Trace
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		stored = storedSpans(t, store, of, strings.Count(documented, "\n")-1)
		var printed bytes.Buffer
		require.NoError(t, tree.Print(&printed, stored))
		assert.Equal(t, documented, shape(printed.String()), "docs/adopt.md against %s", store.Name())
	}
	return stored.Spans
}

var (
	printedTrace = regexp.MustCompile("(?s)\n```\n(trace .*?)```\n")
	differing    = regexp.MustCompile(`[0-9a-f]{32}|[+]?[0-9.]+ (µs|ms|s)\b`)
	padding      = regexp.MustCompile(` +`)
)

// shape is a printed trace without what differs from one to the next.
func shape(printed string) string {
	return padding.ReplaceAllString(differing.ReplaceAllString(printed, ""), " ")
}

// documentedTraces are the shapes of the traces in docs/adopt.md, by step.
func documentedTraces(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(running.Root(), "docs/adopt.md"))
	require.NoError(t, err)
	traces := map[string]string{}
	for _, section := range strings.Split(string(page), "\n## ") {
		if trace := printedTrace.FindStringSubmatch(section); trace != nil {
			traces[section[:1]] = shape(trace[1])
		}
	}
	return traces
}

// find returns the first span of the messaging operation.
func find(t *testing.T, spans []backend.Span, operation string) backend.Span {
	t.Helper()
	for _, span := range spans {
		if span.Attributes["messaging.operation.name"] == operation {
			return span
		}
	}
	require.FailNow(t, "no span of "+operation)
	return backend.Span{}
}

func series(t *testing.T, query string) []backend.Series {
	t.Helper()
	found, err := backend.NewPrometheus(target.PrometheusURL).Query(t.Context(), query, time.Now())
	require.NoError(t, err)
	return found
}

func requireSeries(t *testing.T, query string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(series(t, query)) > 0 }, 30*time.Second, 200*time.Millisecond, query)
}
