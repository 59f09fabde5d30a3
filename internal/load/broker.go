package load

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"throughline/internal/rabbitmq"
	"throughline/otelamqp"
)

const (
	exchange   = "user.events"
	routingKey = "user.logged_in"
	deadQueue  = "user.events.audit.dead"

	// ownService is the service name of what a load publishes itself.
	ownService = "throughline-load"

	flushTimeout   = 5 * time.Second
	poisonInterval = time.Second
)

// broker is RabbitMQ as a load sees it beside the logins.
type broker struct {
	address    string // one or several, without a password
	connection *amqp.Connection
	channel    *amqp.Channel
}

func dial(addresses string) (*broker, error) {
	connection, channel, err := rabbitmq.Open(addresses)
	return &broker{rabbitmq.Redacted(addresses), connection, channel}, err
}

func (b *broker) close() { _ = b.connection.Close() }

// deadLetters returns how many messages lie in the dead-letter queue.
func (b *broker) deadLetters() (int, error) {
	queue, err := b.channel.QueueDeclarePassive(deadQueue, true, false, false, false, nil)
	if err != nil {
		return 0, fmt.Errorf("RabbitMQ at %s: count the messages of %s: %w; has audit-mq been up once?", b.address, deadQueue, err)
	}
	return queue.Messages, nil
}

// poison publishes messages that nobody can decode, each a trace of its own,
// until ctx ends. It returns how many the broker has confirmed.
func (b *broker) poison(ctx context.Context, otlpGRPC string) (published int, err error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(otlpGRPC), otlptracegrpc.WithInsecure())
	if err != nil {
		return 0, fmt.Errorf("export to the collector at %s: %w", otlpGRPC, err)
	}
	// A provider of its own: the global one belongs to the process.
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", ownService))))
	running := ctx
	ctx = context.WithoutCancel(ctx) // the message that is on its way gets there
	defer func() {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		_ = provider.Shutdown(ctx)
	}()

	channel := otelamqp.NewChannel(b.channel, otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}))
	bodies := []string{"not JSON", `{"userId": 1`, "{}", `{"userId": "one", "loginAt": "today"}`}
	ticker := time.NewTicker(poisonInterval)
	defer ticker.Stop()
	for {
		if err := publish(ctx, channel, bodies[published%len(bodies)]); err != nil {
			return published, fmt.Errorf("RabbitMQ at %s: publish to %s: %w; look into the broker's log", b.address, exchange, err)
		}
		published++
		select {
		case <-running.Done():
			return published, nil
		case <-ticker.C:
		}
	}
}

// publish returns nil once the broker has confirmed that a queue holds the message.
func publish(ctx context.Context, channel *otelamqp.Channel, body string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, exchange, routingKey, true, false, amqp.Publishing{
		Type:         routingKey,
		MessageId:    uuid.NewString(),
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		Timestamp:    time.Now(),
		AppId:        ownService, // so that a person knows whose dead letters these are
		Body:         []byte(body),
	})
	if err != nil {
		return err
	}
	if acked, err := confirm.WaitContext(ctx); err != nil {
		return fmt.Errorf("wait for the broker's confirmation: %w", err)
	} else if !acked {
		return confirm.Err()
	}
	return nil
}
