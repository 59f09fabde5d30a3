package consumer

import (
	"context"
	"errors"
	"maps"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"

	"throughline/services/internal/events"
)

const (
	// reasonHeader says why a message is in the dead-letter queue.
	reasonHeader = "x-dead-letter-reason"
	// leftHeader says how many headers of its own a message has lost on the way, as
	// they did not fit into a frame.
	leftHeader = "x-headers-left-behind"
	// maxReason bounds the reason, in bytes: a header is no place for a novel.
	maxReason = 512
)

// undecodable marks a message that no retry can help.
type undecodable struct{ error }

func (e undecodable) Unwrap() error { return e.error }

// nextStop is the queue for a message whose attempt, counted from 1, failed; none
// without a failure.
func nextStop(failure error, attempt int) string {
	if failure == nil {
		return ""
	}
	if errors.As(failure, new(undecodable)) || attempt > len(events.RetryDelays) {
		return events.DeadQueue
	}
	return events.RetryQueue(events.RetryDelays[attempt-1])
}

// moveTo publishes a copy of the message to queue and returns nil once the
// broker has confirmed it; only then may the original be acknowledged. Headers that
// do not fit into a frame with ours are left behind: a copy that is larger could be
// sent by nobody, and a dead letter that the broker made of it be read by nobody.
func (c *Consumer) moveTo(ctx context.Context, d *amqp.Delivery, queue string, attempt int, failure error) error {
	headers := maps.Clone(d.Headers)
	if headers == nil {
		headers = amqp.Table{}
	}
	err := c.publishCopy(ctx, d, headers, queue, attempt, failure)
	if errors.Is(err, events.ErrHeadersTooLarge) {
		logx.WithContext(ctx).Errorf("message %q loses its %d headers: they do not fit into a frame", d.MessageId, len(d.Headers))
		err = c.publishCopy(ctx, d, amqp.Table{leftHeader: int32(len(d.Headers))}, queue, attempt, failure)
	}
	return err
}

func (c *Consumer) publishCopy(ctx context.Context, d *amqp.Delivery, headers amqp.Table, queue string, attempt int, failure error) error {
	headers[events.AttemptsHeader] = int32(attempt)
	if queue == events.DeadQueue {
		headers[reasonHeader] = reason(failure)
	}
	return c.retries.Publish(ctx, "", queue, amqp.Publishing{
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
