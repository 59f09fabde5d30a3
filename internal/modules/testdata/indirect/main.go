// Command indirect is a program that uses otelamqp through a library alone.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"lib.example.com/queue"
)

func main() {
	spans := tracetest.NewSpanRecorder()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	conn, err := amqp.Dial(os.Getenv("RABBITMQ_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	if err := queue.Echo(context.Background(), conn, provider, func(context.Context) error { return nil }); err != nil {
		log.Fatal(err)
	}
	for _, span := range spans.Ended() {
		fmt.Println(span.InstrumentationScope().Name, span.Name(), span.SpanContext().TraceID())
	}
}
