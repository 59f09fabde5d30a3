package otelamqp_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
)

// brokerURL is something like amqp://user:password@localhost:5672/.
func brokerURL() string { return os.Getenv(urlVariable) }

// check stands for the handling of errors.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A message is published, confirmed, handled and acknowledged. Only the line with
// NewChannel, and Process around the handler, differ from the bare client.
func Example() {
	ctx := context.Background()
	spans := tracetest.NewSpanRecorder() // in place of an exporter
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	conn, err := amqp.Dial(brokerURL())
	check(err)
	defer conn.Close()
	amqpChannel, err := conn.Channel()
	check(err)
	ch := otelamqp.NewChannel(amqpChannel, otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}))

	check(ch.Confirm(false))
	_, err = ch.QueueDeclare("mail", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("mail", false, false, false)
	deliveries, err := ch.ConsumeWithContext(ctx, "mail", "", false, false, false, false, nil)
	check(err)

	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", "mail", true, false, amqp.Publishing{Body: []byte("hello")})
	check(err)
	if !confirm.Wait() {
		fmt.Println("the broker does not have it:", confirm.Err())
	}

	d := <-deliveries
	err = ch.Process(ctx, &d, func(context.Context) error {
		fmt.Printf("handle %s\n", d.Body)
		return d.Ack(false)
	})
	check(err)

	for _, span := range spans.Ended() {
		fmt.Println(span.SpanKind(), "span:", span.Name())
	}
	// Output:
	// handle hello
	// producer span: send mail
	// consumer span: process mail
}

// connect wraps a channel, as [Example] does.
func connect(opts ...otelamqp.Option) (ch *otelamqp.Channel, disconnect func() error) {
	conn, err := amqp.Dial(brokerURL())
	check(err)
	amqpChannel, err := conn.Channel()
	check(err)
	return otelamqp.NewChannel(amqpChannel, opts...), conn.Close
}

// A consumer ranges over its deliveries until it is canceled.
func ExampleChannel_Process() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ch, disconnect := connect()
	defer disconnect()

	_, err := ch.QueueDeclare("parcels", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("parcels", false, false, false)
	for _, parcel := range []string{"book", "lamp"} {
		check(ch.PublishWithContext(ctx, "", "parcels", true, false, amqp.Publishing{Body: []byte(parcel)}))
	}

	deliveries, err := ch.ConsumeWithContext(ctx, "parcels", "packer", false, false, false, false, nil)
	check(err)
	for d := range deliveries {
		err := ch.Process(ctx, &d, func(context.Context) error {
			fmt.Printf("pack the %s\n", d.Body)
			return d.Ack(false)
		})
		check(err)
		if string(d.Body) == "lamp" {
			stop() // ends deliveries
		}
	}
	// Output:
	// pack the book
	// pack the lamp
}

// Channels of one program share the instruments and all that is prepared.
func ExampleNew() {
	ctx := context.Background()
	conn, err := amqp.Dial(brokerURL())
	check(err)
	defer conn.Close()
	instrumentation := otelamqp.New(otelamqp.WithPeerAddress(conn.RemoteAddr()))

	var channels []*otelamqp.Channel
	for range 2 {
		amqpChannel, err := conn.Channel()
		check(err)
		channels = append(channels, instrumentation.Channel(amqpChannel))
	}
	publisher, consumer := channels[0], channels[1]
	_, err = consumer.QueueDeclare("news", true, false, false, false, nil)
	check(err)
	defer consumer.QueueDelete("news", false, false, false)
	deliveries, err := consumer.Consume("news", "", true, false, false, false, nil)
	check(err)
	check(publisher.PublishWithContext(ctx, "", "news", true, false, amqp.Publishing{Body: []byte("sunny")}))
	d := <-deliveries
	err = consumer.Process(ctx, &d, func(context.Context) error {
		fmt.Printf("%s\n", d.Body)
		return nil
	})
	check(err)
	// Output: sunny
}

// A request and its reply, by RabbitMQ's direct reply-to, are one trace: each side
// publishes with the context of the span that it works in.
func ExampleChannel_PublishWithContext_rpc() {
	spans := tracetest.NewSpanRecorder() // in place of an exporter
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	instrumentation := otelamqp.New(otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}))

	conn, err := amqp.Dial(brokerURL())
	check(err)
	defer conn.Close()
	open := func() *otelamqp.Channel {
		amqpChannel, err := conn.Channel()
		check(err)
		return instrumentation.Channel(amqpChannel)
	}
	client, server := open(), open()

	_, err = server.QueueDeclare("squares", true, false, false, false, nil)
	check(err)
	defer server.QueueDelete("squares", false, false, false)
	requests, err := server.Consume("squares", "", true, false, false, false, nil)
	check(err)
	go func() {
		for d := range requests {
			err := server.Process(context.Background(), &d, func(ctx context.Context) error {
				n, err := strconv.Atoi(string(d.Body))
				if err != nil {
					return err
				}
				return server.PublishWithContext(ctx, "", d.ReplyTo, false, false, amqp.Publishing{
					CorrelationId: d.CorrelationId, Body: []byte(strconv.Itoa(n * n)),
				})
			})
			check(err)
		}
	}()

	ctx, request := provider.Tracer("shop").Start(context.Background(), "request")
	replies, err := client.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	check(err)
	check(client.PublishWithContext(ctx, "", "squares", false, false, amqp.Publishing{
		ReplyTo: "amq.rabbitmq.reply-to", CorrelationId: "1", Body: []byte("12"),
	}))
	reply := <-replies
	err = client.Process(ctx, &reply, func(ctx context.Context) error {
		same := trace.SpanContextFromContext(ctx).TraceID() == request.SpanContext().TraceID()
		fmt.Printf("%s, in the same trace: %t\n", reply.Body, same)
		return nil
	})
	check(err)
	// Output: 144, in the same trace: true
}

// Several workers handle the deliveries of one consumer. Each message is handled
// in the trace of its own publish.
func ExampleChannel_Process_workerPool() {
	ctx := context.Background()
	ch, disconnect := connect()
	defer disconnect()

	check(ch.Qos(10, 0, false))
	_, err := ch.QueueDeclare("thumbnails", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("thumbnails", false, false, false)
	deliveries, err := ch.ConsumeWithContext(ctx, "thumbnails", "resizer", false, false, false, false, nil)
	check(err)

	var handled, workers sync.WaitGroup
	handled.Add(3)
	for range 4 {
		workers.Go(func() {
			for d := range deliveries {
				err := ch.Process(ctx, &d, func(context.Context) error {
					defer handled.Done()
					fmt.Printf("resize %s\n", d.Body)
					return d.Ack(false)
				})
				check(err)
			}
		})
	}

	for _, picture := range []string{"cat.png", "dog.png", "owl.png"} {
		check(ch.PublishWithContext(ctx, "", "thumbnails", true, false, amqp.Publishing{Body: []byte(picture)}))
	}
	handled.Wait()
	check(ch.Cancel("resizer", false)) // closes deliveries
	workers.Wait()
	// Unordered output:
	// resize cat.png
	// resize dog.png
	// resize owl.png
}

// A message is polled. The receive span and the process span are both tied to the
// publish: the first by a link, the second as its child.
func ExampleChannel_GetWithContext() {
	ctx := context.Background()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	ch, disconnect := connect(otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}))
	defer disconnect()

	_, err := ch.QueueDeclare("reports", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("reports", false, false, false)
	check(ch.PublishWithContext(ctx, "", "reports", true, false, amqp.Publishing{Body: []byte("July")}))

	d, found, err := ch.GetWithContext(ctx, "reports", true)
	check(err)
	if found {
		err = ch.Process(ctx, &d, func(context.Context) error {
			fmt.Printf("print %s\n", d.Body)
			return nil
		})
		check(err)
	}

	for _, span := range spans.Ended() {
		fmt.Printf("%s, links: %d\n", span.Name(), len(span.Links()))
	}
	// Output:
	// print July
	// send reports, links: 0
	// receive reports, links: 1
	// process reports, links: 0
}

// Messages that are handled together get one span, which is linked to each.
func ExampleChannel_ProcessBatch() {
	ctx := context.Background()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	ch, disconnect := connect(otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}),
		otelamqp.WithSettleSpans())
	defer disconnect()

	_, err := ch.QueueDeclare("clicks", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("clicks", false, false, false)
	deliveries, err := ch.ConsumeWithContext(ctx, "clicks", "", false, false, false, false, nil)
	check(err)
	for range 3 {
		check(ch.PublishWithContext(ctx, "", "clicks", true, false, amqp.Publishing{}))
	}

	batch := []amqp.Delivery{<-deliveries, <-deliveries, <-deliveries}
	err = ch.ProcessBatch(ctx, batch, func(context.Context) error {
		fmt.Println("insert", len(batch), "rows")
		return batch[2].Ack(true)
	})
	check(err)

	for _, span := range spans.Ended()[3:] { // after those of the publishes
		fmt.Printf("%s, links: %d\n", span.Name(), len(span.Links()))
	}
	// Output:
	// insert 3 rows
	// ack clicks, links: 3
	// process clicks, links: 3
}

// A queue in which messages wait for hours would keep traces open as long. With
// linked traces the handling of a message begins a trace of its own.
func ExampleWithLinkedTraces() {
	ctx := context.Background()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	ch, disconnect := connect(otelamqp.WithLinkedTraces(),
		otelamqp.WithTracerProvider(provider), otelamqp.WithPropagator(propagation.TraceContext{}))
	defer disconnect()

	_, err := ch.QueueDeclare("invoices", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("invoices", false, false, false)
	deliveries, err := ch.ConsumeWithContext(ctx, "invoices", "", true, false, false, false, nil)
	check(err)
	check(ch.PublishWithContext(ctx, "", "invoices", true, false, amqp.Publishing{}))
	d := <-deliveries
	check(ch.Process(ctx, &d, func(context.Context) error { return nil }))

	sent, processed := spans.Ended()[0], spans.Ended()[1]
	fmt.Println("same trace:", sent.SpanContext().TraceID() == processed.SpanContext().TraceID())
	fmt.Println("linked:", sent.SpanContext().SpanID() == processed.Links()[0].SpanContext.SpanID())
	// Output:
	// same trace: false
	// linked: true
}

// Of the baggage only the named members travel with the message.
func ExampleWithBaggage() {
	ch, disconnect := connect(otelamqp.WithBaggage("tenant"),
		otelamqp.WithPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})))
	defer disconnect()

	_, err := ch.QueueDeclare("orders", true, false, false, false, nil)
	check(err)
	defer ch.QueueDelete("orders", false, false, false)
	deliveries, err := ch.Consume("orders", "", true, false, false, false, nil)
	check(err)

	members, err := baggage.Parse("tenant=acme,user.email=jo@example.com")
	check(err)
	ctx := baggage.ContextWithBaggage(context.Background(), members)
	check(ch.PublishWithContext(ctx, "", "orders", true, false, amqp.Publishing{}))

	d := <-deliveries
	err = ch.Process(context.Background(), &d, func(ctx context.Context) error {
		fmt.Println(baggage.FromContext(ctx))
		return nil
	})
	check(err)
	// Output: tenant=acme
}

// Routing keys that hold a number would make as many span names and time series
// as there are numbers.
func ExampleWithDestinationTemplate() {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	ch, disconnect := connect(otelamqp.WithTracerProvider(provider),
		otelamqp.WithDestinationTemplate(func(op otelamqp.Operation) string {
			return op.Exchange + ":order.{id}"
		}))
	defer disconnect()

	for _, key := range []string{"order.4711", "order.4712"} {
		check(ch.PublishWithContext(context.Background(), "amq.topic", key, false, false, amqp.Publishing{}))
	}
	for _, span := range spans.Ended() {
		fmt.Println(span.Name())
	}
	// Output:
	// send amq.topic:order.{id}
	// send amq.topic:order.{id}
}

// A peer that drops message headers gets the trace context in the body.
func ExampleWrapBody() {
	propagator := propagation.TraceContext{}
	ctx, span := sdktrace.NewTracerProvider().Tracer("shop").Start(context.Background(), "checkout")
	defer span.End()

	body, err := otelamqp.WrapBody(ctx, propagator, []byte(`{"order": 4711}`))
	check(err)

	// On the other side:
	payload, carrier := otelamqp.UnwrapBody(body)
	received := trace.SpanContextFromContext(propagator.Extract(context.Background(), carrier))
	fmt.Printf("%s, same trace: %t\n", payload, received.TraceID() == span.SpanContext().TraceID())
	// Output: {"order":4711}, same trace: true
}

// Process reads the context of an envelope by itself; the handler unwraps the
// payload. A body that is no envelope comes back as it is.
func ExampleUnwrapBody() {
	envelope := `{"carrier": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "payload": {"order": 4711}}`
	for _, body := range []string{envelope, `{"order": 4712}`} {
		payload, carrier := otelamqp.UnwrapBody([]byte(body))
		fmt.Printf("%s, traceparent %q\n", payload, carrier.Get("traceparent"))
	}
	// Output:
	// {"order": 4711}, traceparent "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	// {"order": 4712}, traceparent ""
}
