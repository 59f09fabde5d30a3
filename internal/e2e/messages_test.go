package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/demo"
)

const (
	exchange   = "user.events"
	routingKey = "user.logged_in"
	deadQueue  = "user.events.audit.dead"
)

func channel(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(running.Endpoints().RabbitMQ)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return ch
}

// publisher returns a channel when the services have declared the exchange and the queues.
func publisher(t *testing.T) *amqp.Channel {
	t.Helper()
	requireLoginsWorkWithin(t, 30*time.Second)
	return channel(t)
}

// publish puts a message straight into the exchange, as any other program could.
func publish(t *testing.T, ch *amqp.Channel, msg amqp.Publishing) {
	t.Helper()
	publishTo(t, ch, exchange, routingKey, msg)
}

func publishTo(t *testing.T, ch *amqp.Channel, exchange, key string, msg amqp.Publishing) {
	t.Helper()
	msg.DeliveryMode = amqp.Persistent
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), exchange, key, true, false, msg)
	require.NoError(t, err)
	require.True(t, confirm.Wait())
}

// newUser returns a user id that no other test uses.
func newUser() int64 { return 1_000_000 + rand.Int64N(1<<40) }

func loggedIn(user int64) []byte {
	return fmt.Appendf(nil, `{"userId": %d, "loginAt": %q}`, user, time.Now().UTC().Format(time.RFC3339Nano))
}

// deadLetter waits until the message is in the dead-letter queue and takes it out.
func deadLetter(t *testing.T, messageID string, within time.Duration) amqp.Delivery {
	t.Helper()
	return deadLetterThat(t, "message "+messageID, within, func(d amqp.Delivery) bool { return d.MessageId == messageID })
}

func deadLetterThat(t *testing.T, what string, within time.Duration, is func(amqp.Delivery) bool) amqp.Delivery {
	t.Helper()
	ch := channel(t)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	deliveries, err := ch.ConsumeWithContext(ctx, deadQueue, uuid.NewString(), false, false, false, false, nil)
	require.NoError(t, err)
	for d := range deliveries {
		if is(d) {
			require.NoError(t, d.Ack(false))
			require.NoError(t, ch.Close()) // the others go back
			return d
		}
	}
	t.Fatalf("%s is not in %s after %v", what, deadQueue, within)
	return amqp.Delivery{}
}

func waitForRows(t *testing.T, user int64, rows int, within time.Duration) demo.Audit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	audit, err := demo.WaitForAudit(ctx, target.AuditURL, demo.AuditFilter{UserID: user}, func(a demo.Audit) bool { return a.Total >= rows })
	require.NoError(t, err)
	require.Equal(t, rows, audit.Total, "rows of user %d", user)
	return audit
}

func TestWhatDoesNotDecodeIsDeadLetteredAtOnce(t *testing.T) {
	ch := publisher(t)
	for name, body := range map[string]string{
		"empty": "", "text": "not json", "half an object": `{"userId": 1`, "no fields": "{}",
		"envelope around nonsense": `{"carrier": {}, "payload": []}`,
		"oversized":                strings.Repeat("a", 8<<20),
	} {
		id := uuid.NewString()
		publish(t, ch, amqp.Publishing{MessageId: id, Body: []byte(body)})
		d := deadLetter(t, id, 20*time.Second)
		assert.Equal(t, body, string(d.Body), name)
		assert.Contains(t, d.Headers["x-dead-letter-reason"], "decode user.logged_in", name)
		assert.EqualValues(t, 1, d.Headers["x-attempts"], name)
	}
}

func TestMessageWithoutAnIDIsDeadLettered(t *testing.T) {
	ch := publisher(t)
	user, conversation := newUser(), uuid.NewString()
	publish(t, ch, amqp.Publishing{Body: loggedIn(user), CorrelationId: conversation})
	d := deadLetterThat(t, "the message without an id", 20*time.Second, func(d amqp.Delivery) bool { return d.CorrelationId == conversation })
	assert.Contains(t, d.Headers["x-dead-letter-reason"], "message id")
	waitForRows(t, user, 0, time.Second)
}

func TestFailingMessageIsRetriedFiveTimesAndThenDeadLettered(t *testing.T) {
	id := uuid.NewString()
	began := time.Now()
	publish(t, publisher(t), amqp.Publishing{MessageId: id, Body: loggedIn(0)})
	d := deadLetter(t, id, time.Minute)
	assert.GreaterOrEqual(t, time.Since(began), 15500*time.Millisecond, "the sum of the delays")
	assert.Contains(t, d.Headers["x-dead-letter-reason"], "CHECK constraint failed")
	assert.EqualValues(t, 6, d.Headers["x-attempts"])
	assert.Len(t, d.Headers["x-death"], 5, "one for each retry queue")
}

func TestTraceparentOfAnyAMQPTypeIsSurvived(t *testing.T) {
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ch := publisher(t)
	for name, value := range map[string]any{
		"void": nil, "bool": true, "byte": byte(1), "int8": int8(1), "int16": int16(1), "int32": int32(1), "int64": int64(1),
		"float32": float32(1), "float64": 1.5, "decimal": amqp.Decimal{Scale: 2, Value: 100}, "time": time.Unix(1, 0),
		"array": []any{valid, int32(1)}, "table": amqp.Table{"traceparent": valid}, "bytes": []byte{0xff, 0x00},
		"empty": "", "garbage": "00-zz-zz-zz", "zero ids": "00-00000000000000000000000000000000-0000000000000000-01",
		"long": strings.Repeat("0", 20_000),
	} {
		user := newUser()
		publish(t, ch, amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(user), Headers: amqp.Table{"traceparent": value, "tracestate": value, "baggage": value}})
		audit := waitForRows(t, user, 1, 20*time.Second)
		assert.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", audit.Logins[0].TraceID, name)
		assert.NotEqual(t, strings.Repeat("0", 32), audit.Logins[0].TraceID, "%s: it starts a trace of its own", name)
	}
}

func TestRedeliveredMessageIsStoredOnce(t *testing.T) {
	ch, user, id := publisher(t), newUser(), uuid.NewString()
	var traces []string
	for range 3 {
		trace := strings.ReplaceAll(uuid.NewString(), "-", "")
		traces = append(traces, trace)
		publish(t, ch, amqp.Publishing{MessageId: id, Body: loggedIn(user), Headers: amqp.Table{"traceparent": "00-" + trace + "-b7ad6b7169203331-01"}})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, trace := range traces { // all three have been handled
		_, err := backend.WaitForSpans(ctx, backend.NewTempo(target.TempoURL), trace, 2)
		require.NoError(t, err)
	}
	waitForRows(t, user, 1, time.Second)
}

func TestKilledConsumerLosesAndDoublesNothing(t *testing.T) {
	const messages = 300
	ch, user := publisher(t), newUser()
	for range messages {
		publish(t, ch, amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(user)})
	}
	require.NoError(t, running.Kill("audit-mq"))
	for range messages {
		publish(t, ch, amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(user)})
	}
	require.NoError(t, running.Start(t.Context(), "audit-mq"))
	waitForRows(t, user, 2*messages, time.Minute)
}
