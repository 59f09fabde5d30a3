// Package queue is a library of another team, on top of otelamqp.
package queue

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/trace"

	"git.example.com/platform/throughline/otelamqp"
)

// Echo sends a message through the broker to its handler.
func Echo(ctx context.Context, conn *amqp.Connection, tp trace.TracerProvider, handle func(context.Context) error) error {
	raw, err := conn.Channel()
	if err != nil {
		return err
	}
	defer raw.Close()
	ch := otelamqp.NewChannel(raw, otelamqp.WithTracerProvider(tp))
	queue, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return err
	}
	deliveries, err := ch.Consume(queue.Name, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	if err := ch.PublishWithContext(ctx, "", queue.Name, true, false, amqp.Publishing{}); err != nil {
		return err
	}
	d := <-deliveries
	return ch.Process(context.Background(), &d, handle)
}
