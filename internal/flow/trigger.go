package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"throughline/internal/backend"
	"throughline/internal/rabbitmq"
	"throughline/otelamqp"
)

// Service is the service of the spans in which messages are published.
const Service = "throughline-verify"

// setOff sets the flow off and returns the ids of its traces, where they are known.
func setOff(ctx context.Context, deadline time.Time, target Target, f Flow) ([]string, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(10*time.Second)) // the last try is heard out
	defer cancel()
	switch trigger := f.Trigger; {
	case trigger.HTTP != nil:
		var id string
		var err error
		// A service that starts, or has just recovered, refuses with 503: a client tries again.
		if last := until(ctx, deadline, func() error {
			if id, err = trigger.HTTP.send(ctx); errors.Is(err, errUnavailable) {
				return err
			}
			return nil
		}); last != nil {
			err = last
		}
		if err == nil && id == "" && trigger.Find == nil {
			err = fmt.Errorf("the answer of %s has neither a traceparent nor an X-Trace-Id header: let it have one, or add find to the trigger", trigger.HTTP.URL)
		}
		return []string{id}, err
	case trigger.Message != nil:
		return trigger.Message.publish(ctx, target)
	}
	return nil, nil
}

var errUnavailable = errors.New("unavailable")

func (h HTTP) send(ctx context.Context) (traceID string, err error) {
	request, err := http.NewRequestWithContext(ctx, h.Method, h.URL, strings.NewReader(h.Body))
	if err != nil {
		return "", err
	}
	for name, value := range h.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w; does the service run?", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("%s %s broke off its answer: %w", h.Method, h.URL, err)
	}
	if h.Status == 0 && response.StatusCode >= 400 || h.Status != 0 && h.Status != response.StatusCode {
		err := fmt.Errorf("%s %s answers %s: %.200s", h.Method, h.URL, response.Status, strings.TrimSpace(string(body)))
		if response.StatusCode == http.StatusServiceUnavailable {
			err = fmt.Errorf("%w: %w", errUnavailable, err)
		}
		return "", err
	}
	answered := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(response.Header)))
	if answered.IsValid() {
		return answered.TraceID().String(), nil
	}
	id, err := backend.ParseTraceID(response.Header.Get("X-Trace-Id"))
	if err != nil {
		return "", nil
	}
	return id, nil
}

// publish publishes the messages, each in a span of its own, and returns the ids of
// their traces.
func (m Message) publish(ctx context.Context, target Target) ([]string, error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(target.OTLPGRPC), otlptracegrpc.WithInsecure())
	if err != nil {
		return nil, fmt.Errorf("export to the collector at %s: %w", target.OTLPGRPC, err)
	}
	exported := &tracesOf{SpanExporter: exporter}
	// A provider of its own: the global one belongs to the process.
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exported), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(Service))))
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = provider.Shutdown(ctx)
	}()
	if err := m.send(ctx, target.RabbitMQURL, provider); err != nil {
		return nil, fmt.Errorf("publish to %q with %q at %s: %w", m.Exchange, m.RoutingKey, rabbitmq.Redacted(target.RabbitMQURL), err)
	}
	if err := provider.ForceFlush(ctx); err != nil {
		return nil, fmt.Errorf("export to the collector at %s: %w", target.OTLPGRPC, err)
	}
	return exported.ids, nil
}

func (m Message) send(ctx context.Context, brokerURL string, provider trace.TracerProvider) error {
	connection, plain, err := rabbitmq.Open(brokerURL)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	channel := otelamqp.NewChannel(plain, otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}))
	var confirmations []*otelamqp.DeferredConfirmation
	for range m.Count {
		confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, m.Exchange, m.RoutingKey, true, false, amqp.Publishing{
			MessageId: uuid.NewString(), ContentType: "application/json", DeliveryMode: amqp.Persistent, Timestamp: time.Now(), Body: []byte(m.Body),
		})
		if err != nil {
			return err
		}
		confirmations = append(confirmations, confirmation)
	}
	for _, confirmation := range confirmations {
		if _, err := confirmation.WaitContext(ctx); err != nil {
			return err
		}
		if err := confirmation.Err(); errors.Is(err, otelamqp.ErrUnroutable) {
			return fmt.Errorf("%w: has its consumer been up once?", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// tracesOf notes the traces of what it exports. A batcher calls it from one goroutine.
type tracesOf struct {
	sdktrace.SpanExporter
	ids []string
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *tracesOf) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		if id := s.SpanContext().TraceID().String(); !slices.Contains(e.ids, id) {
			e.ids = append(e.ids, id)
		}
	}
	return e.SpanExporter.ExportSpans(ctx, spans)
}
