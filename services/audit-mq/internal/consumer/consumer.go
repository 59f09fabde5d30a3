// Package consumer handles the messages of user.events.audit.
package consumer

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
	"throughline/services/audit-mq/internal/config"
	"throughline/services/audit-mq/internal/model"
	"throughline/services/internal/events"
)

// handleTimeout bounds the handling of one message.
const handleTimeout = 10 * time.Second

// Consumer is a go-zero service: it consumes between Start and Stop, and
// reconnects by itself.
type Consumer struct {
	config   config.Config
	logins   *model.LoginModel
	outcomes outcomes
	ctx      context.Context
	stop     context.CancelFunc
	stopped  chan struct{}
}

// New makes a Consumer that stores into logins.
func New(c config.Config, logins *model.LoginModel) *Consumer {
	ctx, stop := context.WithCancel(context.Background())
	return &Consumer{config: c, logins: logins, outcomes: newOutcomes(), ctx: ctx, stop: stop, stopped: make(chan struct{})}
}

// Start consumes, and returns after Stop.
func (c *Consumer) Start() {
	defer close(c.stopped)
	events.Sessions(c.ctx, c.config.RabbitMQ.URL, "audit-mq", c.consume)
}

// Stop asks the broker for no more messages and returns when those that had
// arrived have been handled.
func (c *Consumer) Stop() {
	c.stop()
	<-c.stopped
}

func (c *Consumer) consume(ctx context.Context, ch *otelamqp.Channel) error {
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("turn publisher confirms on: %w", err)
	}
	if err := ch.Qos(c.config.RabbitMQ.Prefetch, 0, false); err != nil {
		return fmt.Errorf("set the prefetch: %w", err)
	}
	// The end of ctx cancels the consumer; the deliveries end once what had
	// arrived has been taken.
	deliveries, err := ch.ConsumeWithContext(ctx, events.AuditQueue, "audit-mq", false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume %s: %w", events.AuditQueue, err)
	}
	var workers sync.WaitGroup
	for range c.config.RabbitMQ.Workers {
		workers.Go(func() {
			for d := range deliveries {
				c.handle(context.WithoutCancel(ctx), ch, &d)
			}
		})
	}
	workers.Wait()
	return nil
}

// handle stores, retries or dead-letters one message and then acknowledges it.
// The span covers all of that, so that a trace shows where a message went.
func (c *Consumer) handle(ctx context.Context, ch *otelamqp.Channel, d *amqp.Delivery) {
	ctx, cancel := context.WithTimeout(ctx, handleTimeout)
	defer cancel()
	_ = ch.Process(ctx, d, func(ctx context.Context) error {
		result, failure := c.settle(ctx, ch, d)
		c.outcomes.add(ctx, result)
		return failure
	})
}

func (c *Consumer) settle(ctx context.Context, ch *otelamqp.Channel, d *amqp.Delivery) (outcome, error) {
	attempt := attempts(d) + 1
	failure := provoke(ctx, c.config.Faults)
	if failure == nil {
		failure = c.store(ctx, d, attempt)
	}
	if failure == nil {
		logx.WithContext(ctx).Infof("message %q is stored", d.MessageId)
		return acknowledge(ctx, d, stored, nil)
	}
	next := nextStop(failure, attempt)
	logx.WithContext(ctx).Errorf("message %q, attempt %d, goes to %s: %v", d.MessageId, attempt, next, failure)
	if err := moveTo(ctx, ch, d, next, attempt, failure); err != nil {
		logx.WithContext(ctx).Errorf("message %q goes back to its queue: move it to %s: %v", d.MessageId, next, err)
		if err := d.Nack(false, true); err != nil {
			failure = unsettled(ctx, err)
		}
		return requeued, failure
	}
	if next == events.DeadQueue {
		return acknowledge(ctx, d, deadLettered, failure)
	}
	return acknowledge(ctx, d, retried, failure)
}

// acknowledge returns the outcome and failure of a message once the broker lets
// go of it. One whose acknowledgement does not go through is no loss: the broker
// delivers it again, and it is stored once.
func acknowledge(ctx context.Context, d *amqp.Delivery, result outcome, failure error) (outcome, error) {
	if err := d.Ack(false); err != nil {
		return requeued, unsettled(ctx, err)
	}
	return result, failure
}

func unsettled(ctx context.Context, err error) error {
	logx.WithContext(ctx).Errorf("acknowledge: %v", err)
	return fmt.Errorf("acknowledge: %w", err)
}

func (c *Consumer) store(ctx context.Context, d *amqp.Delivery, attempt int) error {
	if d.MessageId == "" {
		return undecodable{fmt.Errorf("the message has no message id, so it could not be stored just once")}
	}
	payload, _ := otelamqp.UnwrapBody(d.Body)
	login, err := events.DecodeLoggedIn(payload)
	if err != nil {
		return undecodable{err}
	}
	return c.logins.Insert(ctx, model.Login{
		MessageID: d.MessageId,
		UserID:    login.UserID,
		LoginAt:   login.LoginAt.UTC().Format(time.RFC3339Nano),
		TraceID:   trace.SpanContextFromContext(ctx).TraceID().String(),
		Attempt:   attempt,
	})
}
