package otelamqp_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

// TestConformance performs each operation in each situation of which the
// conventions speak, on a real broker, and holds every span and every data point
// against the conventions as testdata lists them: an attribute must be there
// exactly when its rule applies, with the value that the situation gives it, and
// none may be there that the conventions do not know.
func TestConformance(t *testing.T) {
	signals := readConventions(t)
	admin := declareTopology(t)
	all, performed := 0, 0
	for _, group := range []struct {
		operation  string
		situations []situation
	}{
		{"send", sending},
		{"receive", append(everywhere(receive), receiving...)},
		{"process", append(everywhere(process), processing...)},
		{"settle", append(everywhere(settle), settling...)},
	} {
		all += len(group.situations)
		t.Run(group.operation, func(t *testing.T) {
			for _, situation := range group.situations {
				t.Run(situation.name, func(t *testing.T) {
					performed++
					s := newScene(t, admin, situation.with)
					done := situation.perform(s)
					spans := checkSpans(s, signals, done)
					checkMetrics(s, signals, done, spans)
				})
			}
		})
	}
	if performed == all { // and not some, chosen with -run
		checkCoverage(t, signals)
	}
}

// situation performs operations and tells which, in the order in which they began.
type situation struct {
	name    string
	with    setup
	perform func(*scene) []operation
}

// noticeable is so long that a duration without it is found out.
const noticeable = 200 * time.Millisecond

var sending = []situation{
	{"confirmed", setup{}, func(s *scene) []operation {
		return s.publish(exchange, key)
	}},
	{"default exchange", setup{}, func(s *scene) []operation {
		return s.publish("", queue)
	}},
	{"exchange without routing key", setup{}, func(s *scene) []operation {
		return s.publish(fanout, "")
	}},
	{"neither exchange nor routing key", setup{}, func(s *scene) []operation {
		return s.publish("", "")
	}},
	{"each method", setup{}, func(s *scene) []operation {
		m := []amqp.Publishing{s.message(), s.message(), s.message(), s.message()}
		s.ok(s.Publish(exchange, key, false, false, m[0]))
		s.ok(s.PublishWithContext(s.t.Context(), exchange, key, false, false, m[1]))
		_, err := s.PublishWithDeferredConfirm(exchange, key, false, false, m[2])
		s.ok(err)
		_, err = s.PublishWithDeferredConfirmWithContext(s.t.Context(), exchange, key, false, false, m[3])
		s.ok(err)
		return []operation{send(exchange, key, m[0]), send(exchange, key, m[1]), send(exchange, key, m[2]), send(exchange, key, m[3])}
	}},
	{"channel without confirms", setup{noConfirms: true}, func(s *scene) []operation {
		msg := s.message()
		s.ok(s.PublishWithContext(s.t.Context(), exchange, key, false, false, msg))
		return []operation{send(exchange, key, msg)}
	}},
	{"destination template", setup{template: true}, func(s *scene) []operation {
		return s.publish(exchange, "user.42")
	}},
	{"server-named queue", setup{}, func(s *scene) []operation {
		return s.publish("", s.serverNamedQueue())
	}},
	{"temporary queue", setup{}, func(s *scene) []operation {
		return s.publish("", s.temporaryQueue())
	}},
	{"body size", setup{bodySize: true}, func(s *scene) []operation {
		return s.publish(exchange, key)
	}},
	{"nothing more known", setup{bare: true}, func(s *scene) []operation {
		return s.publish(exchange, key)
	}},
	{"unroutable", setup{}, func(s *scene) []operation {
		return s.publishInVain(exchange, "nobody.listens", "unroutable")
	}},
	{"queue refuses", setup{}, func(s *scene) []operation {
		return s.publishInVain("", full, "nack")
	}},
	{"no such exchange", setup{}, func(s *scene) []operation {
		return s.publishInVain("no such exchange", key, "channel_closed")
	}},
	{"no answer in time", setup{}, func(s *scene) []operation {
		ctx, cancel := context.WithTimeout(s.t.Context(), noticeable)
		defer cancel()
		return s.publishUntil(ctx, "timeout")
	}},
	{"given up", setup{}, func(s *scene) []operation {
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		return s.publishUntil(ctx, "canceled")
	}},
	{"connection lost", setup{}, func(s *scene) []operation {
		s.conn.dropsIncoming.Store(true)
		msg := s.message()
		confirm, err := s.PublishWithDeferredConfirmWithContext(s.t.Context(), exchange, key, false, false, msg)
		s.ok(err)
		s.ok(s.conn.Close())
		assert.False(s.t, confirm.Wait())
		return []operation{send(exchange, key, msg).failed("channel_closed")}
	}},
	{"closed channel", setup{}, func(s *scene) []operation {
		s.ok(s.Close())
		msg := s.message()
		require.Error(s.t, s.PublishWithContext(s.t.Context(), exchange, key, false, false, msg))
		return []operation{send(exchange, key, msg).failed("channel_closed")}
	}},
}

// everywhere consumes one message from each kind of destination.
func everywhere(consume func(s *scene, queue string) []operation) []situation {
	return []situation{
		{"topic exchange", setup{}, func(s *scene) []operation {
			return append(s.publish(exchange, key), consume(s, queue)...)
		}},
		{"default exchange", setup{}, func(s *scene) []operation {
			return append(s.publish("", queue), consume(s, queue)...)
		}},
		{"exchange without routing key", setup{}, func(s *scene) []operation {
			return append(s.publish(fanout, ""), consume(s, queue)...)
		}},
		{"destination template", setup{template: true}, func(s *scene) []operation {
			return append(s.publish(exchange, "user.42"), consume(s, queue)...)
		}},
		{"server-named queue", setup{}, func(s *scene) []operation {
			serverNamed := s.serverNamedQueue()
			return append(s.publish(fanout, ""), consume(s, serverNamed)...)
		}},
		{"temporary queue", setup{}, func(s *scene) []operation {
			temporary := s.temporaryQueue()
			return append(s.publish(fanout, ""), consume(s, temporary)...)
		}},
		{"body size", setup{bodySize: true}, func(s *scene) []operation {
			return append(s.publish(exchange, key), consume(s, queue)...)
		}},
		{"nothing more known", setup{bare: true}, func(s *scene) []operation {
			return append(s.publish(exchange, key), consume(s, queue)...)
		}},
	}
}

func receive(s *scene, queue string) []operation {
	return []operation{consume("receive", queue, s.get(queue))}
}

var receiving = []situation{
	{"without context", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d, found, err := s.Get(queue, true)
		s.ok(err)
		require.True(s.t, found)
		return append(done, consume("receive", queue, d))
	}},
	{"no message", setup{}, func(s *scene) []operation {
		ctx := trace.ContextWithSpanContext(s.t.Context(), ambient) // without it there is no span for nothing
		_, found, err := s.GetWithContext(ctx, queue, true)
		s.ok(err)
		require.False(s.t, found)
		return []operation{consume("receive", queue)}
	}},
	{"then processed", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.get(queue)
		s.ok(s.Process(s.t.Context(), &d, func(context.Context) error { return nil }))
		processed := consume("process", queue, d)
		processed.consumed = 0 // the delivery was counted when it was received
		return append(done, consume("receive", queue, d), processed)
	}},
	{"no such queue", setup{}, func(s *scene) []operation {
		_, _, err := s.GetWithContext(s.t.Context(), "no such queue", true)
		require.Error(s.t, err)
		return []operation{consume("receive", "no such queue").failed("404")}
	}},
	{"closed channel", setup{}, func(s *scene) []operation {
		s.ok(s.Close())
		_, _, err := s.GetWithContext(s.t.Context(), queue, true)
		require.Error(s.t, err)
		return []operation{consume("receive", queue).failed("channel_closed")}
	}},
}

func process(s *scene, queue string) []operation {
	d := s.deliveries(queue, 1)[0]
	s.ok(s.Process(s.t.Context(), &d, func(context.Context) error { return nil }))
	return []operation{consume("process", queue, d)}
}

var processing = []situation{
	{"handler fails", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.deliveries(queue, 1)[0]
		require.ErrorIs(s.t, s.Process(s.t.Context(), &d, fail), errHandler)
		return append(done, consume("process", queue, d).failed("*errors.errorString"))
	}},
	{"handler panics", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.deliveries(queue, 1)[0]
		assert.Panics(s.t, func() { _ = s.Process(s.t.Context(), &d, func(context.Context) error { panic("boom") }) })
		return append(done, consume("process", queue, d).failed("panic"))
	}},
	{"slow handler", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.deliveries(queue, 1)[0]
		s.ok(s.Process(s.t.Context(), &d, func(context.Context) error { time.Sleep(noticeable); return nil }))
		return append(done, consume("process", queue, d))
	}},
	endedByTheCaller("", nil, ""),
	endedByTheCaller(", with an error", errHandler, "*errors.errorString"),
	{"within another span", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.deliveries(queue, 1)[0]
		ctx := trace.ContextWithSpanContext(s.t.Context(), ambient)
		s.ok(s.Process(ctx, &d, func(context.Context) error { return nil }))
		return append(done, consume("process", queue, d))
	}},
	{"linked trace", setup{linked: true}, func(s *scene) []operation {
		return append(s.publish(exchange, key), process(s, queue)...)
	}},
	{"batch", setup{}, func(s *scene) []operation {
		done := slices.Concat(s.publish(exchange, key), s.publish(exchange, key), s.publish(exchange, key))
		return append(done, s.processBatch(queue, 3))
	}},
	{"batch of one", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		return append(done, s.processBatch(queue, 1))
	}},
	{"batch of several routing keys", setup{}, func(s *scene) []operation {
		done := slices.Concat(s.publish(exchange, key), s.publish(exchange, "user.signed_up"))
		return append(done, s.processBatch(queue, 2))
	}},
	{"batch fails", setup{}, func(s *scene) []operation {
		done := slices.Concat(s.publish(exchange, key), s.publish(exchange, key))
		ds := s.deliveries(queue, 2)
		require.ErrorIs(s.t, s.ProcessBatch(s.t.Context(), ds, fail), errHandler)
		return append(done, batch("process", queue, ds...).failed("*errors.errorString"))
	}},
}

func endedByTheCaller(how string, err error, errorType string) situation {
	return situation{"span ended by the caller" + how, setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.deliveries(queue, 1)[0]
		_, end := s.StartProcess(s.t.Context(), &d)
		end(err)
		return append(done, consume("process", queue, d).failed(errorType))
	}}
}

var errHandler = errors.New("disk full")

func fail(context.Context) error { return errHandler }

func settle(s *scene, queue string) []operation {
	return settleOne(s, queue, "ack", func(d amqp.Delivery) error { return d.Ack(false) })
}

var settling = []situation{
	settlingOne("nack", func(_ *scene, d amqp.Delivery) error { return d.Nack(false, false) }),
	settlingOne("reject", func(_ *scene, d amqp.Delivery) error { return d.Reject(false) }),
	settlingOne("channel's ack", func(s *scene, d amqp.Delivery) error { return s.Ack(d.DeliveryTag, false) }),
	settlingOne("channel's nack", func(s *scene, d amqp.Delivery) error { return s.Nack(d.DeliveryTag, false, false) }),
	settlingOne("channel's reject", func(s *scene, d amqp.Delivery) error { return s.Reject(d.DeliveryTag, false) }),
	settlingSeveral("ack", func(_ *scene, d amqp.Delivery) error { return d.Ack(true) }),
	settlingSeveral("nack", func(_ *scene, d amqp.Delivery) error { return d.Nack(true, false) }),
	settlingSeveral("channel's ack", func(s *scene, d amqp.Delivery) error { return s.Ack(d.DeliveryTag, true) }),
	settlingSeveral("channel's nack", func(s *scene, d amqp.Delivery) error { return s.Nack(d.DeliveryTag, true, false) }),
	{"all at once", setup{}, func(s *scene) []operation {
		done := slices.Concat(s.publish(exchange, key), s.publish(exchange, "user.signed_up"))
		ds := s.deliveries(queue, 2)
		s.ok(s.ProcessBatch(s.t.Context(), ds, func(context.Context) error { return s.Ack(0, true) }))
		return append(done, batch("process", queue, ds...), batch("ack", queue, ds...))
	}},
	{"after the handler", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.deliveries(queue, 1)[0]
		s.ok(s.Process(s.t.Context(), &d, func(context.Context) error { return nil }))
		s.ok(d.Ack(false))
		return append(done, consume("process", queue, d), consume("ack", queue, d))
	}},
	{"received message", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		d := s.get(queue)
		s.ok(d.Ack(false))
		return append(done, consume("receive", queue, d), consume("ack", queue, d))
	}},
	{"messages of a batch", setup{}, func(s *scene) []operation {
		done := slices.Concat(s.publish(exchange, key), s.publish(exchange, key))
		ds := s.deliveries(queue, 2)
		s.ok(s.ProcessBatch(s.t.Context(), ds, func(context.Context) error {
			return errors.Join(ds[0].Nack(false, false), ds[1].Ack(false))
		}))
		return append(done, batch("process", queue, ds...), consume("nack", queue, ds[0]), consume("ack", queue, ds[1]))
	}},
	{"closed channel", setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		settled := settleOne(s, queue, "ack", func(d amqp.Delivery) error {
			s.ok(s.Close())
			require.Error(s.t, d.Ack(false))
			return nil
		})
		settled[1] = settled[1].failed("channel_closed")
		return append(done, settled...)
	}},
}

// settleOne settles a message within its handler.
func settleOne(s *scene, queue, name string, settle func(amqp.Delivery) error) []operation {
	d := s.deliveries(queue, 1)[0]
	s.ok(s.Process(s.t.Context(), &d, func(context.Context) error { return settle(d) }))
	return []operation{consume("process", queue, d), consume(name, queue, d)}
}

func settlingOne(name string, settle func(*scene, amqp.Delivery) error) situation {
	return situation{name, setup{}, func(s *scene) []operation {
		done := s.publish(exchange, key)
		return append(done, settleOne(s, queue, method(name), func(d amqp.Delivery) error { return settle(s, d) })...)
	}}
}

// settlingSeveral settles two messages with the second's tag, after another.
func settlingSeveral(name string, settle func(*scene, amqp.Delivery) error) situation {
	return situation{name + " of several", setup{}, func(s *scene) []operation {
		done := slices.Concat(s.publish(exchange, key), s.publish(exchange, key), s.publish(exchange, key))
		ds := s.deliveries(queue, 3)
		s.ok(s.ProcessBatch(s.t.Context(), ds, func(context.Context) error {
			return errors.Join(ds[0].Ack(false), settle(s, ds[2]))
		}))
		several := batch(method(name), queue, ds[1:]...)
		several.tag = int64(ds[2].DeliveryTag)
		return append(done, batch("process", queue, ds...), consume("ack", queue, ds[0]), several)
	}}
}

func method(name string) string { return strings.TrimPrefix(name, "channel's ") }
