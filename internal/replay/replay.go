// Package replay returns dead letters to the queue that audit-mq reads.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"text/tabwriter"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"throughline/internal/rabbitmq"
)

const (
	queue, deadQueue = "user.events.audit", "user.events.audit.dead"
	reasonHeader     = "x-dead-letter-reason"
	attemptsHeader   = "x-attempts"
	// shown is how many letters Print lists.
	shown = 20
	// givenBack is how long the letters that stay are waited for.
	givenBack = 5 * time.Second
)

// Options choose the dead letters. Empty ones choose all.
type Options struct {
	RabbitMQURL string
	Count       int    // at most so many, the oldest first
	Reason      string // those whose reason has this text in it
	TraceID     string // those of one trace
	Apply       bool   // else nothing is moved
}

// Letter is a dead letter.
type Letter struct {
	MessageID string
	TraceID   string // of the login
	Reason    string
}

// Report is what was found.
type Report struct {
	Dead    int // letters in the dead-letter queue before
	Letters []Letter
	Applied bool
}

// Run looks through the dead letters and, with Apply, publishes the chosen ones to
// the main queue, each as it first came: without the attempts that it has used up.
// A letter leaves the dead-letter queue once the broker has confirmed its copy, so
// that none is lost; one whose copy was confirmed right before an error comes
// twice, and is stored once. With an error comes what was moved before it.
func Run(ctx context.Context, o Options) (r Report, err error) {
	conn, ch, err := rabbitmq.Open(o.RabbitMQURL)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }() // after an error, what was not acknowledged goes back
	dead, err := ch.QueueDeclarePassive(deadQueue, true, false, false, false, nil)
	if err != nil {
		return r, fmt.Errorf("look at %s: %w; audit-mq makes it when it first connects", deadQueue, err)
	}
	r.Dead, r.Applied = dead.Messages, o.Apply
	for range dead.Messages {
		if o.Count > 0 && len(r.Letters) == o.Count {
			break
		}
		d, ok, err := ch.Get(deadQueue, false)
		if err != nil {
			return r, fmt.Errorf("read %s: %w", deadQueue, err)
		}
		if !ok {
			break
		}
		letter := letterOf(d)
		if !strings.Contains(letter.Reason, o.Reason) || o.TraceID != "" && letter.TraceID != o.TraceID {
			continue
		}
		if o.Apply {
			if err := move(ctx, ch, d); err != nil {
				return r, fmt.Errorf("move message %q to %s: %w", d.MessageId, queue, err)
			}
		}
		r.Letters = append(r.Letters, letter)
	}
	left := dead.Messages
	if o.Apply {
		left -= len(r.Letters)
	}
	return r, giveBack(ctx, ch, left)
}

// giveBack returns the letters that stay, and waits until the queue counts them
// again, so that another run sees them.
func giveBack(ctx context.Context, ch *amqp.Channel, letters int) error {
	if err := ch.Nack(0, true, true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, givenBack)
	defer cancel()
	for {
		dead, err := ch.QueueDeclarePassive(deadQueue, true, false, false, false, nil)
		if err != nil || dead.Messages >= letters {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // another program reads them, too
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func letterOf(d amqp.Delivery) Letter {
	letter := Letter{MessageID: d.MessageId, Reason: text(d.Headers[reasonHeader])}
	if letter.Reason == "" { // the broker has taken it there
		letter.Reason = text(d.Headers["x-first-death-reason"])
	}
	if parts := strings.Split(text(d.Headers["traceparent"]), "-"); len(parts) == 4 {
		letter.TraceID = parts[1]
	}
	return letter
}

func text(header any) string {
	s, _ := header.(string)
	return s
}

func move(ctx context.Context, ch *amqp.Channel, d amqp.Delivery) error {
	headers := maps.Clone(d.Headers)
	maps.DeleteFunc(headers, func(name string, _ any) bool {
		return name == reasonHeader || name == attemptsHeader || name == "x-death" ||
			strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
	})
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{
		Headers: headers, DeliveryMode: amqp.Persistent, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		CorrelationId: d.CorrelationId, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId, Body: d.Body,
	})
	if err != nil {
		return err
	}
	acked, err := confirm.WaitContext(ctx)
	if err == nil && !acked {
		err = errors.New("the broker refused it")
	}
	if err != nil {
		return err
	}
	return d.Ack(false)
}

// Print tells a person what was found, or done.
func (r Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, l := range r.Letters {
		if i == shown {
			fmt.Fprintf(table, "… and %d more\n", len(r.Letters)-shown)
			break
		}
		fmt.Fprintf(table, "%s\ttrace %s\t%.100q\n", l.MessageID, l.TraceID, l.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	message := "%d of %d dead letters would go back to %s; nothing is moved without --apply\n"
	if r.Applied {
		message = "%d of %d dead letters are back in %s\n"
	}
	_, err := fmt.Fprintf(w, message, len(r.Letters), r.Dead, queue)
	return err
}
