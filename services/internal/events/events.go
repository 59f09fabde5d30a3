// Package events is what login-api and audit-mq agree on: the message, and the
// exchange and queues that it passes.
package events

import (
	"encoding/json"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Names on the broker.
const (
	Exchange     = "user.events"
	UserLoggedIn = "user.logged_in" // routing key and message type
	AuditQueue   = "user.events.audit"
	DeadQueue    = AuditQueue + ".dead"

	// AttemptsHeader counts the attempts at a message that failed.
	AttemptsHeader = "x-attempts"
)

// RetryDelays are the waits before the second to the sixth attempt.
var RetryDelays = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// LoggedIn is the body of a user.logged_in message.
type LoggedIn struct {
	UserID  int64     `json:"userId"`
	LoginAt time.Time `json:"loginAt"`
}

// DecodeLoggedIn reads the body of a message. Fields that are missing are an
// error: a half-empty audit row would look like a fact.
func DecodeLoggedIn(body []byte) (LoggedIn, error) {
	var fields struct {
		UserID  *int64     `json:"userId"`
		LoginAt *time.Time `json:"loginAt"`
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		return LoggedIn{}, fmt.Errorf("decode %s: %w", UserLoggedIn, err)
	}
	if fields.UserID == nil || fields.LoginAt == nil {
		return LoggedIn{}, fmt.Errorf("decode %s: userId and loginAt are required", UserLoggedIn)
	}
	return LoggedIn{UserID: *fields.UserID, LoginAt: *fields.LoginAt}, nil
}

// RetryQueue is the queue in which a message waits for delay before it returns
// to the audit queue. There is one for each delay, because RabbitMQ expires
// messages only at the head of a queue: in a common one a short wait would sit
// behind a long one.
func RetryQueue(delay time.Duration) string {
	return AuditQueue + ".retry." + delay.String()
}

// DeclareExchange makes the exchange, which is all that a publisher may make, and
// fails while there is no queue behind it that keeps what is published.
func DeclareExchange(ch *amqp.Channel) error {
	if err := declareExchange(ch); err != nil {
		return err
	}
	if _, err := ch.QueueDeclarePassive(AuditQueue, true, false, false, false, nil); err != nil {
		return fmt.Errorf("look for queue %s, which audit-mq makes when it connects: %w", AuditQueue, err)
	}
	return nil
}

func declareExchange(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", Exchange, err)
	}
	return nil
}

// DeclareQueues makes the queues, which are the consumer's, and binds the first of
// them to the exchange, which it makes if it comes before the publisher.
func DeclareQueues(ch *amqp.Channel) error {
	if err := declareExchange(ch); err != nil {
		return err
	}
	queues := map[string]amqp.Table{
		DeadQueue: {},
		// A consumer that dies over and over on the same message must not do so for ever.
		AuditQueue: deadLetterTo(DeadQueue, amqp.Table{"x-delivery-limit": 20}),
	}
	for _, delay := range RetryDelays {
		queues[RetryQueue(delay)] = deadLetterTo(AuditQueue, amqp.Table{"x-message-ttl": delay.Milliseconds()})
	}
	for name, args := range queues {
		args[amqp.QueueTypeArg] = amqp.QueueTypeQuorum
		if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
			return fmt.Errorf("declare queue %s: %w", name, err)
		}
	}
	if err := ch.QueueBind(AuditQueue, UserLoggedIn, Exchange, false, nil); err != nil {
		return fmt.Errorf("bind queue %s to %s: %w", AuditQueue, Exchange, err)
	}
	return nil
}

// deadLetterTo adds the arguments that hand a message on to queue through the
// default exchange. The strategy at-least-once, which needs overflow
// reject-publish, keeps the message until the target has confirmed it.
func deadLetterTo(queue string, args amqp.Table) amqp.Table {
	args["x-dead-letter-exchange"] = ""
	args["x-dead-letter-routing-key"] = queue
	args["x-dead-letter-strategy"] = "at-least-once"
	args["x-overflow"] = "reject-publish"
	return args
}
