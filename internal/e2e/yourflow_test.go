package e2e

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"throughline/internal/backend"
	"throughline/internal/doctor"
	"throughline/internal/flow"
	"throughline/otelamqp"
)

// runFlow runs a flow and returns the result, and what a terminal shows of it.
func runFlow(t *testing.T, file string) (flow.Result, string) {
	t.Helper()
	result, err := target.RunFlow(t.Context(), file)
	require.NoError(t, err)
	var shown strings.Builder
	require.NoError(t, result.Print(&shown))
	t.Log("\n" + shown.String())
	return result, shown.String()
}

func flowFile(name string) string { return filepath.Join(running.Root(), "flows", name) }

func TestALoginIsAsItsFileSays(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	result, shown := runFlow(t, flowFile("login.yaml"))
	assert.True(t, result.OK, shown)
	assert.Contains(t, shown, "in Jaeger and Tempo\n")
	assert.Contains(t, shown, target.ConsoleURL+"/trace/"+result.TraceID)
}

// The programs of docs/adopt are a team's.
func TestTheFlowOfATeam(t *testing.T) {
	t.Cleanup(func() {
		deleteAdoptQueue(t)
		require.NoError(t, channel(t).ExchangeDelete(adoptExchange, false, false))
	})
	team := startTeam(t, buildStep(t, teamsModule(t), "3-otelamqp"), bareConfig, "shipping")
	t.Setenv("ORDERS_URL", team.url)

	result, shown := runFlow(t, flowFile("orders.yaml"))
	assert.True(t, result.OK, shown)

	// The first step of docs/your-flow.md, with what it shows.
	page, err := os.ReadFile(filepath.Join(running.Root(), "docs/your-flow.md"))
	require.NoError(t, err)
	began := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(string(page))[1]
	first := filepath.Join(t.TempDir(), "order.yaml")
	require.NoError(t, os.WriteFile(first, []byte(strings.Replace(began, "within: 5s", "within: 10s", 1)), 0o600))

	// And a file that is wrong in each way.
	text, err := os.ReadFile(flowFile("orders.yaml"))
	require.NoError(t, err)
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	require.NoError(t, os.WriteFile(wrong, []byte(strings.NewReplacer(
		"http.response.status_code: 202", "http.response.status_code: 200",
		"service: shipping\n", "service: packing\n",
		"is placed", "is lost",
		`count{service_name="shipping"}`, `count{service_name="packing"}`,
		"logs:", "within: 10s\nlogs:").Replace(string(text))), 0o600))

	t.Run("red", func(t *testing.T) { // together, as each takes all its time
		t.Run("first", func(t *testing.T) {
			t.Parallel()
			result, shown := runFlow(t, first)
			assert.False(t, result.OK)
			assert.Contains(t, shape(shown), shape(printedTrace.FindStringSubmatch(string(page))[1]))
		})
		t.Run("wrong", func(t *testing.T) {
			t.Parallel()
			result, shown := runFlow(t, wrong)
			assert.False(t, result.OK)
			for _, words := range []string{
				`span "POST /orders" of orders has http.response.status_code = 202; expected 200`,
				`span "process adopt.orders:order.placed:adopt.shipping" of packing (CONSUMER) is missing; expected it below orders "send adopt.orders:order.placed" PRODUCER`,
				`span "process adopt.orders:order.placed:adopt.shipping" of shipping (CONSUMER) is not expected; found it below orders send adopt.orders:order.placed`,
				`no line of orders with "is lost" has the trace id`,
				`the metric messaging_process_duration_seconds_count{service_name="packing"} has not moved`,
				"✗ missing\n", "✗ not expected\n", target.ConsoleURL + "/trace/" + result.TraceID,
			} {
				assert.Contains(t, shown, words)
			}
			var report bytes.Buffer
			require.NoError(t, result.JUnit(&report))
			var suite struct {
				Tests    int `xml:"tests,attr"`
				Failures int `xml:"failures,attr"`
			}
			require.NoError(t, xml.Unmarshal(report.Bytes(), &suite))
			assert.Equal(t, 12, suite.Tests, "4 spans in each store, 2 lines, 2 metrics:\n%s", &report)
			assert.Equal(t, 8, suite.Failures, "%s", &report)
		})
	})

	// Why a trace ends: of all that the doctor looks at, an order while nobody consumes.
	team.consumer.stop(t)
	_, alone := team.post(t, `{"item":"book"}`)
	storedSpans(t, jaeger(), alone, 2)
	storedSpans(t, tempo(), alone, 2)
	symptoms, err := newDoctor().Examine(t.Context(), []string{result.TraceID, alone.TraceID().String()})
	require.NoError(t, err)
	require.Len(t, symptoms, 1)
	assert.Equal(t, doctor.EndsAtPublish, symptoms[0].Kind)
	assert.Equal(t, alone.TraceID().String(), symptoms[0].TraceID)
	assert.Equal(t, "orders → ?", symptoms[0].Boundary)
	team.orders.stop(t)
}

// A consumer that takes no context out of its messages.
func TestTheDoctorFindsBothSidesOfALostContext(t *testing.T) {
	declare(t, channel(t), "lost", "lost.message", "lost.queue", nil)
	here, there := newService(t, "here"), newService(t, "there", otelamqp.WithPropagator(propagation.NewCompositeTextMapPropagator()))
	handled := make(chan trace.SpanContext, 1)
	there.consume(t, "lost.queue", func(ctx context.Context, d *amqp.Delivery) error {
		handled <- trace.SpanContextFromContext(ctx)
		return d.Ack(false)
	})
	ctx, span := here.tracer.Start(t.Context(), "work")
	require.NoError(t, here.ch.PublishWithContext(ctx, "lost", "lost.message", true, false, amqp.Publishing{MessageId: uuid.NewString()}))
	span.End()
	other := <-handled
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		storedSpans(t, store, span.SpanContext(), 2)
		storedSpans(t, store, other, 1)
	}
	for _, id := range []string{span.SpanContext().TraceID().String(), other.TraceID().String()} {
		var found []doctor.Symptom
		require.Eventually(t, func() bool { // until Tempo's search has it
			var err error
			found, err = newDoctor().Examine(t.Context(), []string{id})
			require.NoError(t, err)
			require.Len(t, found, 1)
			return found[0].Kind == doctor.ContextLost
		}, 30*time.Second, 200*time.Millisecond)
		assert.Equal(t, "here → there", found[0].Boundary)
		assert.Contains(t, found[0].Message, other.TraceID().String())
		assert.Contains(t, found[0].Message, span.SpanContext().TraceID().String())
	}
}

// The examples, with services that do what they describe.
func TestTheExamplesOfFlows(t *testing.T) {
	t.Run("retries", func(t *testing.T) {
		ch := channel(t)
		declare(t, ch, "payments", "payment.asked", "payments.work", amqp.Table{
			amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": 2, "x-dead-letter-exchange": "payments.dead"})
		declare(t, ch, "payments.dead", "payment.asked", "payments.dead", nil)
		billing := newService(t, "billing")
		billing.consume(t, "payments.work", func(ctx context.Context, d *amqp.Delivery) error {
			billing.log(ctx, "the card is refused")
			_ = d.Nack(false, true)
			return errors.New("refused")
		})
		newService(t, "support").consume(t, "payments.dead", ack)
		result, shown := runFlow(t, flowFile("retries.yaml"))
		assert.True(t, result.OK, shown)
		assert.Equal(t, 3, strings.Count(shown, "billing  process"), shown)
	})
	t.Run("fan-out", func(t *testing.T) {
		ch := channel(t)
		for _, name := range []string{"mail", "search", "billing"} {
			declare(t, ch, "users", "user.registered", name, nil)
			newService(t, name, otelamqp.WithLinkedTraces()).consume(t, name, ack)
		}
		accounts := newService(t, "accounts")
		serve(t, "ACCOUNTS_URL", accounts, "POST /users", http.StatusCreated, func(ctx context.Context) {
			require.NoError(t, accounts.ch.PublishWithContext(ctx, "users", "user.registered", true, false, amqp.Publishing{}))
		})
		result, shown := runFlow(t, flowFile("fan-out.yaml"))
		assert.True(t, result.OK, shown)
		assert.Contains(t, shown, "and 3 more\n")
	})
	t.Run("batch", func(t *testing.T) {
		ch := channel(t)
		declare(t, ch, "web", "click", "clicks", nil)
		clicks := newService(t, "clicks")
		deliveries, err := clicks.ch.ConsumeWithContext(t.Context(), "clicks", "", false, false, false, false, nil)
		require.NoError(t, err)
		go func() {
			var batch []amqp.Delivery
			for d := range deliveries {
				if batch = append(batch, d); len(batch) < 25 {
					continue
				}
				_ = clicks.ch.ProcessBatch(context.Background(), batch, func(ctx context.Context) error {
					_, span := clicks.tracer.Start(ctx, "INSERT clicks", trace.WithSpanKind(trace.SpanKindClient))
					span.End()
					return batch[len(batch)-1].Ack(true)
				})
				batch = nil
			}
		}()
		result, shown := runFlow(t, flowFile("batch.yaml"))
		assert.True(t, result.OK, shown)
		assert.Contains(t, shown, "and 103 more\n")
	})
	t.Run("request and reply", func(t *testing.T) {
		ch := channel(t)
		declare(t, ch, "quotes", "quote.asked", "pricing", nil)
		pricing, shop := newService(t, "pricing"), newService(t, "shop")
		pricing.consume(t, "pricing", func(ctx context.Context, d *amqp.Delivery) error {
			_ = d.Ack(false)
			return pricing.ch.PublishWithContext(ctx, "", d.ReplyTo, false, false, amqp.Publishing{})
		})
		replies, err := shop.ch.ConsumeWithContext(t.Context(), "amq.rabbitmq.reply-to", "", true, false, false, false, nil)
		require.NoError(t, err)
		serve(t, "SHOP_URL", shop, "POST /quotes", http.StatusOK, func(ctx context.Context) {
			require.NoError(t, shop.ch.PublishWithContext(ctx, "quotes", "quote.asked", true, false, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to"}))
			d := <-replies
			_ = shop.ch.Process(ctx, &d, func(context.Context) error { return nil })
		})
		result, shown := runFlow(t, flowFile("request-reply.yaml"))
		assert.True(t, result.OK, shown)
	})
	t.Run("scheduled job", func(t *testing.T) {
		ch := channel(t)
		declare(t, ch, "invoices", "invoice.made", "printer", nil)
		invoices := newService(t, "invoices")
		ctx, span := invoices.tracer.Start(t.Context(), "make invoices")
		for range 3 {
			require.NoError(t, invoices.ch.PublishWithContext(ctx, "invoices", "invoice.made", true, false, amqp.Publishing{}))
		}
		span.End()
		result, shown := runFlow(t, flowFile("scheduled-job.yaml"))
		assert.True(t, result.OK, shown)
	})
}

// service is a service of a team, in this process.
type service struct {
	ch     *otelamqp.Channel
	tracer trace.Tracer
	logger log.Logger
}

func newService(t *testing.T, name string, options ...otelamqp.Option) service {
	t.Helper()
	spans, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(target.OTLPGRPC), otlptracegrpc.WithInsecure())
	require.NoError(t, err)
	records, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(target.OTLPGRPC), otlploggrpc.WithInsecure())
	require.NoError(t, err)
	of := resource.NewSchemaless(semconv.ServiceName(name))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans, sdktrace.WithBatchTimeout(100*time.Millisecond)), sdktrace.WithResource(of))
	logs := sdklog.NewLoggerProvider(sdklog.WithResource(of), sdklog.WithProcessor(sdklog.NewSimpleProcessor(records)))
	t.Cleanup(func() {
		assert.NoError(t, provider.Shutdown(context.Background()))
		assert.NoError(t, logs.Shutdown(context.Background()))
	})
	options = append([]otelamqp.Option{otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{})}, options...)
	return service{otelamqp.NewChannel(channel(t), options...), provider.Tracer(t.Name()), logs.Logger(t.Name())}
}

func (s service) consume(t *testing.T, queue string, handle func(context.Context, *amqp.Delivery) error) {
	t.Helper()
	deliveries, err := s.ch.ConsumeWithContext(t.Context(), queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	go func() {
		for d := range deliveries {
			_ = s.ch.Process(context.Background(), &d, func(ctx context.Context) error { return handle(ctx, &d) })
		}
	}()
}

func (s service) log(ctx context.Context, text string) {
	var record log.Record
	record.SetTimestamp(time.Now())
	record.SetBody(attribute.StringValue(text))
	s.logger.Emit(ctx, record)
}

func ack(_ context.Context, d *amqp.Delivery) error { return d.Ack(false) }

// serve answers requests within a span of the service, at an address in a variable.
func serve(t *testing.T, variable string, s service, name string, status int, handle func(context.Context)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := s.tracer.Start(r.Context(), name, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		handle(ctx)
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(w.Header()))
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	t.Setenv(variable, server.URL)
}

// declare makes an exchange with a queue, which go with the test.
func declare(t *testing.T, ch *amqp.Channel, exchange, key, queue string, args amqp.Table) {
	t.Helper()
	require.NoError(t, ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil))
	_, err := ch.QueueDeclare(queue, true, false, false, false, args)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind(queue, key, exchange, false, nil))
	t.Cleanup(func() {
		ch := channel(t)
		_, err := ch.QueueDelete(queue, false, false, false)
		assert.NoError(t, err)
		assert.NoError(t, ch.ExchangeDelete(exchange, false, false))
	})
}
