package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"throughline/internal/demo"
	"throughline/internal/flow"
	"throughline/internal/rabbitmq"
)

const (
	exchange   = "user.events"
	routingKey = "user.logged_in"
)

// envelopeTree is the trace of a message that verify publishes itself.
var envelopeTree = []flow.Span{{Service: ownService, Name: produced.Name, Kind: produced.Kind, Children: produced.Children}}

// checkCarriers looks at both ways in which a context crosses the broker: in
// the message's headers, which every login takes, and in an envelope in its
// body, which a message without headers takes.
func (r *run) checkCarriers(ctx context.Context) Check {
	byHeader := 0
	for _, login := range r.logins {
		if login.err == nil && len(mismatches(loginTree, login.traces[0])) == 0 {
			byHeader++
		}
	}
	header := fmt.Sprintf("header: %d of %d logins", byHeader, len(r.logins))
	check := Check{Value: float64(byHeader), Unit: "messages"}

	traceID, err := r.publishEnvelope(ctx)
	if err == nil {
		err = r.reachable(ctx)
	}
	if err != nil {
		check.Detail = fmt.Sprintf("%s; envelope: %v", header, err)
		return check
	}
	waitCtx, cancel := context.WithTimeout(ctx, r.options.TraceTimeout)
	defer cancel()
	traces, err := waitInAll(waitCtx, r.stores, traceID, flow.Size(envelopeTree))
	r.probes = append(r.probes, traces...)
	for i, t := range traces {
		if m := mismatches(envelopeTree, t); len(m) > 0 && len(t.Spans) > 0 {
			check.Detail = fmt.Sprintf("%s; envelope: trace %s in %s: %s", header, traceID, r.stores[i].Name(), firstOf(m))
			return check
		}
	}
	if err != nil {
		check.Detail = fmt.Sprintf("%s; envelope: %v", header, err)
		return check
	}
	audit, err := demo.WaitForAudit(waitCtx, r.target.AuditURL, demo.AuditFilter{TraceID: traceID},
		func(a demo.Audit) bool { return a.Total > 0 })
	switch {
	case err != nil:
		check.Detail = fmt.Sprintf("%s; envelope: %v", header, err)
	case audit.Total != 1:
		check.Detail = fmt.Sprintf("%s; envelope: the message of trace %s is stored %d times instead of once", header, traceID, audit.Total)
	default:
		check.OK = byHeader == len(r.logins) && byHeader > 0
		check.Value++
		check.Detail = header + "; envelope: 1 message without headers; each consumer span is the child of its producer span"
	}
	return check
}

// publishEnvelope exports a producer span of its own and publishes an event
// that carries the span's context in the body only. It returns the trace id.
func (r *run) publishEnvelope(ctx context.Context) (string, error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(r.target.OTLPGRPC), otlptracegrpc.WithInsecure())
	if err != nil {
		return "", fmt.Errorf("export to the collector at %s: %w", r.target.OTLPGRPC, err)
	}
	// A provider of its own: the global one belongs to the process.
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", envelopeTree[0].Service))))
	defer func() {
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = provider.Shutdown(shutdown)
	}()

	spanCtx, span := provider.Tracer("throughline/internal/verify").Start(ctx, envelopeTree[0].Name, trace.WithSpanKind(trace.SpanKindProducer))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(spanCtx, carrier)
	body, err := json.Marshal(map[string]any{
		"carrier": carrier,
		"payload": map[string]any{"userId": demo.Users[0].ID, "loginAt": time.Now().UTC().Format(time.RFC3339Nano)},
	})
	if err == nil {
		err = publish(ctx, r.target.RabbitMQURL, body)
	}
	if err != nil {
		return "", err
	}
	span.End() // exports, because the provider has a syncer
	return span.SpanContext().TraceID().String(), nil
}

// publish sends one persistent event without headers and returns once the
// broker has taken it into a queue.
func publish(ctx context.Context, brokerURL string, body []byte) error {
	const timeout = 10 * time.Second
	where := rabbitmq.Redacted(brokerURL)
	connection, channel, err := rabbitmq.Open(brokerURL)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	confirmation, err := channel.PublishWithDeferredConfirm(exchange, routingKey, true, false, amqp.Publishing{
		Type:         routingKey,
		MessageId:    uuid.NewString(),
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		Timestamp:    time.Now(),
		Body:         body,
	})
	if err != nil {
		return fmt.Errorf("RabbitMQ at %s: publish to %s: %w; look into the broker's log", where, exchange, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case <-ctx.Done():
		return fmt.Errorf("RabbitMQ at %s: no confirmation of a message to %s within %s; look into the broker's log", where, exchange, timeout)
	case reason := <-closed:
		if reason == nil {
			return fmt.Errorf("RabbitMQ at %s closed the channel; look into the broker's log", where)
		}
		return fmt.Errorf("RabbitMQ at %s: publish to %s: %w; has audit-mq or login-api declared it?", where, exchange, reason)
	case <-confirmation.Done():
	}
	// A message that no queue took is returned before it is confirmed.
	select {
	case <-returned:
		return fmt.Errorf("RabbitMQ at %s: no queue is bound to %s with %s; has audit-mq been up once?", where, exchange, routingKey)
	default:
	}
	if !confirmation.Acked() {
		return errors.New("RabbitMQ at " + where + " refused a message to " + exchange + "; look into the broker's log")
	}
	return nil
}
