package evaluate

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
	"throughline/internal/otlpload"
	"throughline/internal/stack"
	"throughline/internal/verify"
)

const (
	// tracesPerRequest, of 8 spans each, make the most that an SDK puts into a
	// request, 512 spans.
	tracesPerRequest = 64
	senders          = 4
	// drainTimeout is how long the collector may take to hand over what it has
	// acknowledged.
	drainTimeout = time.Minute
)

//go:embed bare-collector.yaml
var bareCollector string

// collector compares what a span costs in the collector as configured with what
// it costs in the same binary that only forwards. Each configuration runs as a
// process of its own beside the stack's collector and sends to the same stores.
func (l *lab) collector(ctx context.Context) (found *result.Collector, err error) {
	sink, err := newMetricsSink()
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	run := func(name, config string) (*stack.Collector, error) {
		return l.parts.RunCollector(ctx, name, []string{config}, "PROMETHEUS_OTLP_ENDPOINT="+sink.address)
	}
	stop := func(c *stack.Collector) { err = errors.Join(err, c.Remove(context.WithoutCancel(ctx))) }

	full, err := run("full", "otel-collector/config.yaml")
	if err != nil {
		return nil, err
	}
	defer stop(full)
	bare, err := run("bare", "yaml:"+bareCollector)
	if err != nil {
		return nil, err
	}
	defer stop(bare)

	found = &result.Collector{How: fmt.Sprintf(
		"User and system CPU time of the collector's process, from before the first span until both stores had acknowledged the last, "+
			"for %d spans of logins in requests of %d spans from %d concurrent senders. Full is otel-collector/config.yaml; bare forwards "+
			"such spans to the same Jaeger and Tempo from memory queues. Both run beside each other, and each sender turns from one to the "+
			"other with each request, so that whatever else the machine does meets both; after a warm-up that does not count.",
		l.plan.collectorSpans, verify.LoginSpans*tracesPerRequest, senders)}
	for n := range l.plan.collectorRounds + 1 {
		fmt.Fprintf(l.progress, "collector: round %d of %d\n", n, l.plan.collectorRounds)
		runs, err := feed(ctx, []*stack.Collector{full, bare}, l.plan.collectorSpans)
		if err != nil {
			return nil, err
		}
		if n > 0 { // round 0 is the warm-up
			found.Rounds = append(found.Rounds, result.CollectorRound{Full: runs[0], Bare: runs[1]})
		}
	}
	summarize(found)
	queued, err := queuedShare(ctx, full)
	if err != nil {
		return nil, err
	}
	found.How += fmt.Sprintf(" A store that does not answer within 1 s gets its spans by way of the queue on disk, which costs more: here %.1f %% of them.", 100*queued)
	return found, nil
}

// queuedShare is the part of what a collector has sent, 0 to 1, that had waited
// in a queue on disk.
func queuedShare(ctx context.Context, c *stack.Collector) (float64, error) {
	metrics, err := backend.ScrapeMetrics(ctx, "the collector", c.Metrics)
	if err != nil {
		return 0, err
	}
	direct := func(labels map[string]string) bool { return strings.HasSuffix(labels["exporter"], "_direct") }
	return 1 - metrics.Sum(sentSpans, direct)/metrics.Sum(sentSpans, toStore), nil
}

func summarize(c *result.Collector) {
	var ratios, full, bare []float64
	for _, r := range c.Rounds {
		full = append(full, r.Full.SpansPerCPUSecond())
		bare = append(bare, r.Bare.SpansPerCPUSecond())
		ratios = append(ratios, r.Full.SpansPerCPUSecond()/r.Bare.SpansPerCPUSecond())
	}
	c.Ratio, c.Full, c.Bare = median(ratios), median(full), median(bare)
	c.Min, c.Max = slices.Min(ratios), slices.Max(ratios)
}

// feed sends so many spans, rounded up to whole requests, to each of the
// collectors, waits until they have handed them all over to both stores, and
// returns what each took. That fewer were handed over is an error.
func feed(ctx context.Context, collectors []*stack.Collector, spans int) (runs []result.CollectorRun, err error) {
	var clients []*otlpload.Client
	var before []collectorReading
	for _, c := range collectors {
		client, err := otlpload.Dial(c.OTLPGRPC)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		reading, err := readCollector(ctx, c)
		if err != nil {
			return nil, err
		}
		clients, before = append(clients, client), append(before, reading)
	}
	work, sending := errgroup.WithContext(ctx)
	work.SetLimit(senders)
	for sent := 0; sent < spans; sent += verify.LoginSpans * tracesPerRequest {
		work.Go(func() error {
			for _, client := range clients {
				if err := sendRequest(sending, client); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	for i, c := range collectors {
		run, err := handedOver(ctx, c, before[i], clients[i].Acknowledged())
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

func sendRequest(ctx context.Context, client *otlpload.Client) error {
	return client.Send(ctx, request(tracesPerRequest))
}

func request(logins int) ptrace.Traces {
	traces := make([]ptrace.Traces, logins)
	for i := range traces {
		_, traces[i] = otlpload.Trace(otlpload.OK)
	}
	return otlpload.Batch(traces...)
}

// handedOver waits until a collector has sent all that it acknowledged to both
// stores.
func handedOver(ctx context.Context, c *stack.Collector, before collectorReading, acknowledged int64) (run result.CollectorRun, err error) {
	deadline := time.Now().Add(drainTimeout)
	for {
		now, err := readCollector(ctx, c)
		if err != nil {
			return run, err
		}
		run = result.CollectorRun{
			Acknowledged: acknowledged,
			Accepted:     now.accepted - before.accepted,
			Sent:         now.sent - before.sent,
			CPUSeconds:   now.cpuSeconds - before.cpuSeconds,
		}
		// A store that is too slow for one way gets the spans by the other, and may have had them already: more is no loss.
		switch {
		case now.queued == 0 && run.Accepted >= run.Acknowledged && run.Sent >= 2*run.Accepted:
			return run, nil
		case time.Now().After(deadline):
			return run, fmt.Errorf("after %s the collector has accepted %d of %d spans and sent %d to two stores: see its log, and whether Jaeger and Tempo run",
				drainTimeout, run.Accepted, run.Acknowledged, run.Sent)
		}
		if !pause(ctx, 100*time.Millisecond) {
			return run, context.Cause(ctx)
		}
	}
}

// collectorReading is what a collector says, and what the system says of it.
type collectorReading struct {
	accepted, sent, queued int64
	cpuSeconds             float64
}

const sentSpans = "otelcol_exporter_sent_spans_total"

func ofAnyKind(map[string]string) bool       { return true }
func ofTraces(labels map[string]string) bool { return labels["data_type"] == "traces" }

// toStore leaves out the failover connectors, which count what they hand on as
// sent.
func toStore(labels map[string]string) bool {
	return strings.HasPrefix(labels["exporter"], "otlp_http/")
}

func readCollector(ctx context.Context, c *stack.Collector) (collectorReading, error) {
	metrics, err := backend.ScrapeMetrics(ctx, "the collector", c.Metrics)
	if err != nil {
		return collectorReading{}, err
	}
	usage, err := c.Usage()
	if err != nil {
		return collectorReading{}, err
	}
	return collectorReading{
		accepted:   int64(metrics.Sum("otelcol_receiver_accepted_spans_total", ofAnyKind)),
		sent:       int64(metrics.Sum(sentSpans, toStore)),
		queued:     int64(metrics.Sum("otelcol_exporter_queue_size", ofTraces)),
		cpuSeconds: usage.CPUSeconds,
	}, nil
}

// metricsSink takes metrics and forgets them. A collector that lives for a few
// seconds would else leave series in Prometheus that look like one that died.
type metricsSink struct {
	http.Server
	address string // host:port
}

func newMetricsSink() (*metricsSink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("take the collector's metrics: %w", err)
	}
	s := &metricsSink{address: listener.Addr().String()}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		// An empty message of protobuf is a full success.
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	go func() { _ = s.Serve(listener) }()
	return s, nil
}

func median(values []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare)
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
