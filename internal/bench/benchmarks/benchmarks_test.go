// Package benchmarks measures otelamqp. It is no part of that module, which must not
// need what only its benchmarks need.
package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"throughline/otelamqp"
	"throughline/rabbitmq/rabbitmqtest"
)

// broker is a real RabbitMQ node of this test run.
var broker rabbitmqtest.Broker

func TestMain(m *testing.M) { os.Exit(broker.Run(m)) }

func openChannel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}

var propagator = propagation.TraceContext{}

const (
	benchExchange = "bench.events"
	benchKey      = "bench.logged_in"
	benchQueue    = "bench.events.audit"
)

// benchMessage is small: the less there is to carry the more the tracing weighs.
func benchMessage() amqp.Publishing {
	return amqp.Publishing{
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		MessageId:    "0c1b6a1e-7d6f-4a39-8f0a-6d4a6c2e5b11",
		Type:         benchKey,
		Body:         []byte(`{"userId":1}`),
	}
}

// BenchmarkEndToEnd takes messages through a real broker: published, confirmed,
// delivered and acknowledged. They are persistent and the queue is a quorum queue,
// because confirms are for messages that must not be lost. Spans are exported in
// batches to an OTLP server that throws them away; when the time is taken, none is
// left.
//
//	window=1, 64  how many messages may be unconfirmed: each confirm is awaited, or a stream
//	way=article   a connection and a channel for each message, the context in the JSON body, no confirm
//	way=bare      amqp091-go alone
//	way=dropped   this package, with a sampler that drops every span
//	way=sampled   this package, with every span exported: send and process
//	way=settle    the same, with the spans of acknowledging
//	way=metrics   sampled, with its metrics
func BenchmarkEndToEnd(b *testing.B) {
	collector := discardingCollector(b)
	b.Run("window=1", func(b *testing.B) {
		b.Run("way=article", func(b *testing.B) {
			_, in := benchChannels(b)
			tp, flush := exporting(b, collector)
			throughBroker(b, 1, endToEnd{articlePublisher(broker.URL(), tp), in.ConsumeWithContext, articleHandler(tp)})
			flush(2 * b.N)
		})
		benchmarkWindow(b, 1, collector)
	})
	b.Run("window=64", func(b *testing.B) { benchmarkWindow(b, 64, collector) })
}

func benchmarkWindow(b *testing.B, window int, collector string) {
	b.Run("way=bare", func(b *testing.B) {
		out, in := benchChannels(b)
		throughBroker(b, window, endToEnd{
			func(ctx context.Context) (confirmation, error) {
				return out.PublishWithDeferredConfirmWithContext(ctx, benchExchange, benchKey, false, false, benchMessage())
			},
			in.ConsumeWithContext,
			func(_ context.Context, d *amqp.Delivery) error { return d.Ack(false) },
		})
	})
	traced := func(b *testing.B, tp trace.TracerProvider, opts ...otelamqp.Option) {
		rawOut, rawIn := benchChannels(b)
		opts = append(opts, benchOptions(tp)...)
		out, in := otelamqp.NewChannel(rawOut, opts...), otelamqp.NewChannel(rawIn, opts...)
		throughBroker(b, window, endToEnd{
			func(ctx context.Context) (confirmation, error) {
				return out.PublishWithDeferredConfirmWithContext(ctx, benchExchange, benchKey, false, false, benchMessage())
			},
			in.ConsumeWithContext,
			func(ctx context.Context, d *amqp.Delivery) error {
				return in.Process(ctx, d, func(context.Context) error { return d.Ack(false) })
			},
		})
	}
	b.Run("way=dropped", func(b *testing.B) {
		traced(b, sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))
	})
	b.Run("way=sampled", func(b *testing.B) {
		tp, flush := exporting(b, collector)
		traced(b, tp)
		flush(2 * b.N)
	})
	b.Run("way=settle", func(b *testing.B) {
		tp, flush := exporting(b, collector)
		traced(b, tp, otelamqp.WithSettleSpans())
		flush(3 * b.N)
	})
	b.Run("way=metrics", func(b *testing.B) {
		tp, flush := exporting(b, collector)
		traced(b, tp, otelamqp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))))
		flush(2 * b.N)
	})
}

func benchOptions(tp trace.TracerProvider) []otelamqp.Option {
	return []otelamqp.Option{otelamqp.WithTracerProvider(tp), otelamqp.WithPropagator(propagator), otelamqp.WithServerAddress("127.0.0.1", 5672)}
}

// benchChannels opens a channel to publish on and one to consume from, on a
// connection each, as the client's documentation advises, and an empty queue
// between them.
func benchChannels(b *testing.B) (out, in *amqp.Channel) {
	b.Helper()
	out, in = openChannel(b, broker.URL()), openChannel(b, broker.URL())
	_, err := out.QueueDelete(benchQueue, false, false, false)
	require.NoError(b, err)
	_, err = out.QueueDeclare(benchQueue, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	require.NoError(b, err)
	require.NoError(b, out.ExchangeDeclare(benchExchange, amqp.ExchangeTopic, true, false, false, false, nil))
	require.NoError(b, out.QueueBind(benchQueue, benchKey, benchExchange, false, nil))
	require.NoError(b, out.Confirm(false))
	require.NoError(b, in.Qos(64, 0, false))
	return out, in
}

// endToEnd is one way to publish, consume and handle messages.
type endToEnd struct {
	publish func(context.Context) (confirmation, error)
	consume func(ctx context.Context, queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error)
	handle  func(context.Context, *amqp.Delivery) error // acknowledges
}

// confirmation is what those of the client and of this package have in common.
type confirmation interface{ Wait() bool }

// throughBroker publishes b.N messages and returns when all are confirmed and
// handled. The broker has one processor, too: they do not compete.
func throughBroker(b *testing.B, window int, way endToEnd) {
	deliveries, err := way.consume(b.Context(), benchQueue, "bench", false, false, false, false, nil)
	require.NoError(b, err)
	onOneProcessor(b)
	b.ResetTimer()
	handled := make(chan error, 1)
	go func() {
		for range b.N {
			d, open := <-deliveries
			if !open {
				handled <- amqp.ErrClosed
				return
			}
			if err := way.handle(b.Context(), &d); err != nil {
				handled <- err
				return
			}
		}
		handled <- nil
	}()
	unconfirmed := make(chan confirmation, window)
	for range b.N {
		if len(unconfirmed) == window {
			require.True(b, (<-unconfirmed).Wait())
		}
		confirm, err := way.publish(b.Context())
		require.NoError(b, err)
		unconfirmed <- confirm
	}
	for range len(unconfirmed) {
		require.True(b, (<-unconfirmed).Wait())
	}
	require.NoError(b, <-handled)
}

// articleMessage is the article's: the context travels beside the payload.
type articleMessage struct {
	Carrier propagation.MapCarrier `json:"carrier"`
	Payload json.RawMessage        `json:"payload"`
}

// articlePublisher publishes as the article does (docs/from-the-article.md): it
// connects for each message, and ends the span without the broker's word.
func articlePublisher(url string, tp *sdktrace.TracerProvider) func(context.Context) (confirmation, error) {
	tracer := tp.Tracer("article")
	return func(ctx context.Context) (confirmation, error) {
		ctx, span := tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindProducer))
		defer span.End()
		msg := articleMessage{Carrier: propagation.MapCarrier{}, Payload: benchMessage().Body}
		propagator.Inject(ctx, msg.Carrier)
		body, err := json.Marshal(msg)
		if err != nil {
			return nil, err
		}
		conn, err := amqp.Dial(url)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			return nil, err
		}
		defer ch.Close()
		return unasked{}, ch.PublishWithContext(ctx, benchExchange, benchKey, false, false, amqp.Publishing{ContentType: "application/json", Body: body})
	}
}

// unasked is the confirmation that nobody asked the broker for.
type unasked struct{}

func (unasked) Wait() bool { return true }

func articleHandler(tp *sdktrace.TracerProvider) func(context.Context, *amqp.Delivery) error {
	tracer := tp.Tracer("article")
	return func(ctx context.Context, d *amqp.Delivery) error {
		var msg articleMessage
		if err := json.Unmarshal(d.Body, &msg); err != nil {
			return err
		}
		_, span := tracer.Start(propagator.Extract(ctx, msg.Carrier), "consume", trace.WithSpanKind(trace.SpanKindConsumer))
		defer span.End()
		return d.Ack(false)
	}
}

// exporting makes a provider as a service has it: every span, in batches, by
// OTLP, but waits where a service would lose spans: those cost nothing. flush
// exports what is left, and fails unless it is so many spans in all.
func exporting(b *testing.B, collector string) (tp *sdktrace.TracerProvider, flush func(spans int)) {
	b.Helper()
	otlp, err := otlptracegrpc.New(b.Context(), otlptracegrpc.WithEndpoint(collector), otlptracegrpc.WithInsecure())
	require.NoError(b, err)
	exporter := &countingExporter{SpanExporter: otlp}
	tp = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(1<<14), sdktrace.WithBlocking()))
	b.Cleanup(func() { _ = tp.Shutdown(context.WithoutCancel(b.Context())) })
	_, connecting := tp.Tracer("bench").Start(b.Context(), "connect")
	connecting.End()
	require.NoError(b, tp.ForceFlush(b.Context()))
	exporter.spans.Store(0)
	return tp, func(spans int) {
		require.NoError(b, tp.ForceFlush(b.Context()))
		require.EqualValues(b, spans, exporter.spans.Load(), "spans were lost")
	}
}

type countingExporter struct {
	sdktrace.SpanExporter
	spans atomic.Int64
}

func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.spans.Add(int64(len(spans)))
	}
	return err
}

// discardingCollector starts a gRPC server that answers every call and decodes
// none: a collector's work is not the application's.
func discardingCollector(b *testing.B) (address string) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := grpc.NewServer(grpc.ForceServerCodecV2(nothing{}), grpc.UnknownServiceHandler(func(_ any, call grpc.ServerStream) error {
		return errors.Join(call.RecvMsg(nil), call.SendMsg(nil))
	}))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	b.Cleanup(func() { server.Stop(); <-served })
	return listener.Addr().String()
}

// nothing is a codec of messages that nobody reads; an empty one is valid.
type nothing struct{}

func (nothing) Name() string                         { return "nothing" }
func (nothing) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (nothing) Unmarshal(mem.BufferSlice, any) error { return nil }

// BenchmarkPublish measures the CPU of one publish, in memory and without
// waiting for a confirm: see [compare].
func BenchmarkPublish(b *testing.B) { comparePublish(b, false) }

// BenchmarkPublishConfirmed is [BenchmarkPublish] with each confirm awaited.
func BenchmarkPublishConfirmed(b *testing.B) { comparePublish(b, true) }

func comparePublish(b *testing.B, confirms bool) {
	channel := func(b *testing.B) *amqp.Channel {
		ch := openMemoryChannel(b)
		if confirms {
			require.NoError(b, ch.Confirm(false))
		}
		return ch
	}
	await := func(confirm confirmation, err error) error {
		if err == nil && confirms && !confirm.Wait() {
			err = errors.New("not confirmed")
		}
		return err
	}
	compare(b, ways{
		bare: func(b *testing.B, _ trace.TracerProvider) task {
			ch := channel(b)
			return func(ctx context.Context) error {
				msg := benchMessage()
				msg.Headers = amqp.Table{}
				propagator.Inject(ctx, otelamqp.HeaderCarrier(msg.Headers))
				return await(ch.PublishWithDeferredConfirmWithContext(ctx, benchExchange, benchKey, false, false, msg))
			}
		},
		traced: func(b *testing.B, tp trace.TracerProvider) task {
			ch := otelamqp.NewChannel(channel(b), benchOptions(tp)...)
			return func(ctx context.Context) error {
				return await(ch.PublishWithDeferredConfirmWithContext(ctx, benchExchange, benchKey, false, false, benchMessage()))
			}
		},
	})
}

// BenchmarkProcess measures the CPU of processing a delivery with a handler
// that does nothing: see [compare]. The bare way is the handler alone.
func BenchmarkProcess(b *testing.B) {
	handle := func(context.Context) error { return nil }
	msg := benchMessage()
	delivery := &amqp.Delivery{
		Headers: amqp.Table{
			"traceparent":              "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			otelamqp.PublishedAtHeader: time.Now().UnixNano(),
		},
		Exchange: benchExchange, RoutingKey: benchKey, ConsumerTag: "bench", DeliveryTag: 1,
		ContentType: msg.ContentType, DeliveryMode: msg.DeliveryMode, MessageId: msg.MessageId, Type: msg.Type, Body: msg.Body,
	}
	compare(b, ways{
		extract: func(ctx context.Context) context.Context {
			return propagator.Extract(ctx, otelamqp.HeaderCarrier(delivery.Headers))
		},
		bare: func(*testing.B, trace.TracerProvider) task { return handle },
		traced: func(b *testing.B, tp trace.TracerProvider) task {
			raw := openMemoryChannel(b)
			ch := otelamqp.NewChannel(raw, benchOptions(tp)...)
			_, err := ch.ConsumeWithContext(b.Context(), benchQueue, delivery.ConsumerTag, false, false, false, true, nil)
			require.NoError(b, err)
			return func(ctx context.Context) error {
				delivery.Acknowledger = raw // as it arrives
				return ch.Process(ctx, delivery, handle)
			}
		},
	})
}

// ways of one operation, each on a channel of its own.
type ways struct {
	bare, traced func(*testing.B, trace.TracerProvider) task
	extract      func(context.Context) context.Context // the remote parent, if there is one
}

type task func(context.Context) error

// compare measures an operation in memory:
//
//	way=bare                      without spans, but with the headers that this package would write
//	way=sdk-dropped, sdk-sampled  the same within a span of the SDK, with this package's name, kind and attributes
//	way=dropped, sampled          by this package
//
// Recorded spans go to a processor that does nothing: exporting is no part of it.
// The time is CPU time: garbage collection is part of it, what else the machine
// does is not.
func compare(b *testing.B, w ways) {
	sdk := func(b *testing.B, tp trace.TracerProvider) task {
		do, tracer := w.bare(b, tp), tp.Tracer("bench")
		name, options := spanOf(b, w.traced)
		return func(ctx context.Context) error {
			if w.extract != nil {
				ctx = w.extract(ctx)
			}
			ctx, span := tracer.Start(ctx, name, options...)
			defer span.End()
			return do(ctx)
		}
	}
	for _, way := range []struct {
		name    string
		sampler sdktrace.Sampler
		new     func(*testing.B, trace.TracerProvider) task
	}{
		{"bare", sdktrace.NeverSample(), w.bare},
		{"sdk-dropped", sdktrace.NeverSample(), sdk},
		{"dropped", sdktrace.NeverSample(), w.traced},
		{"sdk-sampled", sdktrace.AlwaysSample(), sdk},
		{"sampled", sdktrace.AlwaysSample(), w.traced},
	} {
		b.Run("way="+way.name, func(b *testing.B) {
			b.ReportAllocs()
			onOneProcessor(b)
			tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(way.sampler), sdktrace.WithSpanProcessor(unprocessed{}))
			do := way.new(b, tp)
			ctx := b.Context()
			if w.extract == nil { // a publish is part of something
				ctx, _ = tp.Tracer("bench").Start(ctx, "request")
			}
			began := cpuTime(b)
			for b.Loop() {
				if err := do(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "ns/op")
		})
	}
}

// onOneProcessor saves the time to wake others. It lasts as long as b.
func onOneProcessor(b *testing.B) {
	procs := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(procs) })
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// spanOf is the span that this package makes, so that the SDK's is the same.
func spanOf(b *testing.B, traced func(*testing.B, trace.TracerProvider) task) (string, []trace.SpanStartOption) {
	recorder := tracetest.NewSpanRecorder()
	require.NoError(b, traced(b, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))(b.Context()))
	require.Len(b, recorder.Ended(), 1)
	span := recorder.Ended()[0]
	return span.Name(), []trace.SpanStartOption{trace.WithSpanKind(span.SpanKind()), trace.WithAttributes(span.Attributes()...)}
}

// unprocessed lets spans be recorded, and forgets them.
type unprocessed struct{}

func (unprocessed) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (unprocessed) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (unprocessed) Shutdown(context.Context) error                  { return nil }
func (unprocessed) ForceFlush(context.Context) error                { return nil }
