// Command direct is a program of another team that uses otelamqp and telemetry.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"git.example.com/platform/throughline/otelamqp"
	"git.example.com/platform/throughline/telemetry"
)

func main() {
	ctx, spans := context.Background(), tracetest.NewSpanRecorder()
	shutdown, err := telemetry.Setup(ctx, "direct", telemetry.WithSpanProcessor(spans))
	must(err)
	conn, err := amqp.Dial(os.Getenv("RABBITMQ_URL"))
	must(err)
	defer conn.Close()
	raw, err := conn.Channel()
	must(err)
	ch := otelamqp.NewChannel(raw)
	queue, err := ch.QueueDeclare("", false, true, true, false, nil)
	must(err)
	deliveries, err := ch.Consume(queue.Name, "", true, false, false, false, nil)
	must(err)
	must(ch.PublishWithContext(ctx, "", queue.Name, true, false, amqp.Publishing{}))
	d := <-deliveries
	must(ch.Process(ctx, &d, func(context.Context) error { return nil }))
	must(shutdown(ctx))
	for _, span := range spans.Ended() {
		fmt.Println(span.InstrumentationScope().Name, span.Name(), span.SpanContext().TraceID())
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
