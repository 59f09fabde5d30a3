package consumer

import (
	"context"
	"errors"
	"maps"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"throughline/otelamqp"
	"throughline/services/internal/events"
)

const (
	// reasonHeader says why a message is in the dead-letter queue.
	reasonHeader = "x-dead-letter-reason"
	// maxReason bounds the reason, in bytes: a header is no place for a novel.
	maxReason = 512
)

// undecodable marks a message that no retry can help.
type undecodable struct{ error }

func (e undecodable) Unwrap() error { return e.error }

// nextStop is the queue for a message whose attempt, counted from 1, failed.
func nextStop(failure error, attempt int) string {
	if errors.As(failure, new(undecodable)) || attempt > len(events.RetryDelays) {
		return events.DeadQueue
	}
	return events.RetryQueue(events.RetryDelays[attempt-1])
}

// moveTo publishes a copy of the message to queue and returns nil once the
// broker has confirmed it; only then may the original be acknowledged.
func moveTo(ctx context.Context, ch *otelamqp.Channel, d *amqp.Delivery, queue string, attempt int, failure error) error {
	headers := maps.Clone(d.Headers)
	if headers == nil {
		headers = amqp.Table{}
	}
	headers[events.AttemptsHeader] = int32(attempt)
	if queue == events.DeadQueue {
		headers[reasonHeader] = reason(failure)
	}
	return events.Publish(ctx, ch, "", queue, amqp.Publishing{
		Headers:         headers,
		ContentType:     d.ContentType,
		ContentEncoding: d.ContentEncoding,
		CorrelationId:   d.CorrelationId,
		MessageId:       d.MessageId,
		Timestamp:       d.Timestamp,
		Type:            d.Type,
		AppId:           d.AppId,
		Body:            d.Body,
	})
}

func reason(failure error) string {
	text := strings.ToValidUTF8(failure.Error(), "�")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	return text
}

// attempts reads how often a message has failed. A header that is missing or
// nonsense counts as none: the message then gets its full share of attempts.
func attempts(d *amqp.Delivery) int {
	var n int64
	switch v := d.Headers[events.AttemptsHeader].(type) {
	case int32:
		n = int64(v)
	case int64:
		n = v
	}
	return int(max(0, min(n, int64(len(events.RetryDelays)))))
}
