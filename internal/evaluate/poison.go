package evaluate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"throughline/internal/evaluate/result"
	"throughline/internal/rabbitmq"
)

const (
	exchange   = "user.events"
	routingKey = "user.logged_in"
	auditQueue = "user.events.audit"
	deadQueue  = "user.events.audit.dead"
)

// poison publishes messages that no consumer can read. They must arrive among the
// dead letters, from which they are taken again, and hold up nothing.
func (l *lab) poison() fault {
	const messages = 20
	return fault{
		name: fmt.Sprintf("%d poison messages", messages), part: "audit-mq", kind: result.KindPoison,
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			conn, ch, err := rabbitmq.Open(l.target.RabbitMQURL)
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			ids := map[string]bool{}
			for range messages {
				id := uuid.NewString()
				confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, routingKey, true, false, amqp.Publishing{
					MessageId: id, DeliveryMode: amqp.Persistent, Body: []byte("not a login"),
				})
				if err != nil {
					return nil, fmt.Errorf("publish a poison message: %w", err)
				}
				acked, err := confirm.WaitContext(ctx)
				if err == nil && !acked {
					err = errors.New("the broker refused it")
				}
				if err != nil {
					return nil, fmt.Errorf("publish a poison message: %w", err)
				}
				ids[id] = true
			}
			return func(ctx context.Context) error { return takeDeadLetters(ctx, l.target.RabbitMQURL, ids) }, nil
		},
	}
}

// takeDeadLetters waits for the messages among the dead letters and takes them,
// and no others, away.
func takeDeadLetters(ctx context.Context, url string, ids map[string]bool) error {
	const patience = 30 * time.Second
	conn, ch, err := rabbitmq.Open(url)
	if err != nil {
		return err
	}
	defer conn.Close() // the others go back
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	deliveries, err := ch.ConsumeWithContext(ctx, deadQueue, "", false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", deadQueue, err)
	}
	for len(ids) > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d poison messages are not in %s after %s", len(ids), deadQueue, patience)
		case d, ok := <-deliveries:
			if !ok {
				return errors.New("the channel to the dead letters was lost")
			}
			if ids[d.MessageId] {
				delete(ids, d.MessageId)
				if err := d.Ack(false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
