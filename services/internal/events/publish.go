package events

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"throughline/otelamqp"
)

// Publish sends a persistent message on a channel in confirm mode and returns
// nil once the broker has confirmed that a queue holds it. After any error the
// message may or may not have been sent. The end of ctx bounds the wait.
func Publish(ctx context.Context, ch *otelamqp.Channel, exchange, key string, msg amqp.Publishing) error {
	msg.DeliveryMode = amqp.Persistent
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, msg)
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
