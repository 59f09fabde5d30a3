package otelamqp_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
)

// What the situations publish to and consume from.
const (
	exchange = "user.events" // a topic exchange
	fanout   = "user.fanout"
	key      = "user.logged_in"
	queue    = "audit" // gets the messages of both exchanges
	full     = "full"  // refuses every message
)

// What a scene tells otelamqp, unless it is bare.
const (
	serverHost = "broker.example"
	serverPort = 5673
	clientID   = "conformance"
	template   = "user.events:user.{id}"
)

// ambient is a span of the application.
var ambient = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})

// declareTopology returns the untraced channel that it was declared on.
func declareTopology(t *testing.T) *amqp.Channel {
	ch := openChannel(t, testBroker(t))
	require.NoError(t, ch.ExchangeDeclare(exchange, "topic", true, false, false, false, nil))
	require.NoError(t, ch.ExchangeDeclare(fanout, "fanout", true, false, false, false, nil))
	_, err := ch.QueueDeclare(full, true, false, false, false, amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish"})
	require.NoError(t, err)
	_, err = ch.QueueDeclare(queue, true, false, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind(queue, "user.#", exchange, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", fanout, false, nil))
	t.Cleanup(func() {
		for _, name := range []string{queue, full} {
			_, _ = ch.QueueDelete(name, false, false, false)
		}
		for _, name := range []string{exchange, fanout} {
			_ = ch.ExchangeDelete(name, false, false)
		}
	})
	return ch
}

// setup is what a situation asks of its scene.
type setup struct {
	bare       bool // neither options nor message properties
	template   bool // destinations have one
	bodySize   bool
	linked     bool
	noConfirms bool
}

// scene is a traced channel on a connection of its own.
type scene struct {
	t *testing.T
	*otelamqp.Channel
	with      setup
	admin     *amqp.Channel
	conn      *fallibleConn
	published int
	temporary string // the queue that is
	spans     *spanLog
	reader    *sdkmetric.ManualReader
}

func newScene(t *testing.T, admin *amqp.Channel, with setup) *scene {
	t.Helper()
	s := &scene{t: t, with: with, admin: admin, spans: newSpanLog(), reader: sdkmetric.NewManualReader()}
	_, err := admin.QueuePurge(queue, false)
	s.ok(err)
	conn, err := amqp.DialConfig(testBroker(t), amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		tcp, err := amqp.DefaultDial(10*time.Second)(network, address)
		s.conn = &fallibleConn{Conn: tcp}
		return s.conn, err
	}})
	s.ok(err)
	t.Cleanup(func() {
		if s.conn.dropsIncoming.Load() {
			_ = s.conn.Close() // would not hear the broker's farewell
		} else {
			_ = conn.Close()
		}
	})
	ch, err := conn.Channel()
	s.ok(err)
	s.Channel = otelamqp.NewChannel(ch, s.options()...)
	if !with.noConfirms {
		s.ok(s.Confirm(false))
	}
	return s
}

func (s *scene) options() []otelamqp.Option {
	opts := []otelamqp.Option{
		otelamqp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))),
		otelamqp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))),
		otelamqp.WithPropagator(propagator),
		otelamqp.WithSettleSpans(),
	}
	if !s.with.bare {
		opts = append(opts, otelamqp.WithServerAddress(serverHost, serverPort), otelamqp.WithPeerAddress(s.conn.RemoteAddr()),
			otelamqp.WithAttributes(attribute.String("messaging.client.id", clientID)))
	}
	if s.with.template {
		opts = append(opts, otelamqp.WithDestinationTemplate(func(otelamqp.Operation) string { return template }))
	}
	if s.with.bodySize {
		opts = append(opts, otelamqp.WithBodySize())
	}
	if s.with.linked {
		opts = append(opts, otelamqp.WithLinkedTraces())
	}
	return opts
}

func (s *scene) ok(err error) {
	s.t.Helper()
	require.NoError(s.t, err)
}

// serverNamedQueue gets the messages of the fanout exchange.
func (s *scene) serverNamedQueue() string {
	q, err := s.QueueDeclare("", true, false, false, false, nil)
	s.ok(err)
	s.t.Cleanup(func() { _, _ = s.admin.QueueDelete(q.Name, false, false, false) })
	s.ok(s.QueueBind(q.Name, "", fanout, false, nil))
	return q.Name
}

// temporaryQueue gets the messages of the fanout exchange.
func (s *scene) temporaryQueue() string {
	s.temporary = "replies to " + s.t.Name() // an earlier scene's may still be going
	_, err := s.QueueDeclare(s.temporary, false, false, true, false, nil)
	s.ok(err)
	s.ok(s.QueueBind(s.temporary, "", fanout, false, nil))
	return s.temporary
}

func (s *scene) message() amqp.Publishing {
	s.published++
	msg := amqp.Publishing{Body: []byte(strings.Repeat("x", s.published))}
	if !s.with.bare {
		msg.MessageId, msg.CorrelationId = fmt.Sprint("message ", s.published), "conversation"
	}
	return msg
}

// publish publishes a message that the broker takes.
func (s *scene) publish(exchange, key string) []operation {
	s.t.Helper()
	msg := s.message()
	confirm, err := s.PublishWithDeferredConfirmWithContext(s.t.Context(), exchange, key, false, false, msg)
	s.ok(err)
	require.True(s.t, confirm.Wait())
	return []operation{send(exchange, key, msg)}
}

// publishInVain publishes a mandatory message that the broker does not take.
func (s *scene) publishInVain(exchange, key, errorType string) []operation {
	msg := s.message()
	confirm, err := s.PublishWithDeferredConfirmWithContext(s.t.Context(), exchange, key, true, false, msg)
	s.ok(err)
	require.False(s.t, confirm.Wait())
	return []operation{send(exchange, key, msg).failed(errorType)}
}

// publishUntil publishes a message to which no answer comes before ctx ends.
func (s *scene) publishUntil(ctx context.Context, errorType string) []operation {
	s.conn.dropsIncoming.Store(true)
	msg := s.message()
	confirm, err := s.PublishWithDeferredConfirmWithContext(s.t.Context(), exchange, key, false, false, msg)
	s.ok(err)
	_, err = confirm.WaitContext(ctx)
	require.ErrorIs(s.t, err, ctx.Err())
	return []operation{send(exchange, key, msg).failed(errorType)}
}

// get receives a message, which must be there.
func (s *scene) get(queue string) amqp.Delivery {
	s.t.Helper()
	d, found, err := s.GetWithContext(s.t.Context(), queue, false)
	s.ok(err)
	require.True(s.t, found)
	return d
}

// deliveries consumes n messages, which must be there, without settling them.
func (s *scene) deliveries(queue string, n int) []amqp.Delivery {
	s.t.Helper()
	incoming, err := s.ConsumeWithContext(s.t.Context(), queue, "", false, false, false, false, nil)
	s.ok(err)
	ds := make([]amqp.Delivery, n)
	for i := range ds {
		select {
		case ds[i] = <-incoming:
		case <-time.After(10 * time.Second):
			require.FailNow(s.t, "a message is missing")
		}
	}
	return ds
}

func (s *scene) processBatch(queue string, n int) operation {
	ds := s.deliveries(queue, n)
	s.ok(s.ProcessBatch(s.t.Context(), ds, func(context.Context) error { return nil }))
	return batch("process", queue, ds...)
}

// fallibleConn is a connection that drops, once it is told to, what the broker says.
type fallibleConn struct {
	net.Conn
	dropsIncoming atomic.Bool
}

func (c *fallibleConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.dropsIncoming.Load() {
			return n, err
		}
	}
}
