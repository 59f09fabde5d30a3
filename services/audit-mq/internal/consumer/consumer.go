// Package consumer handles the messages of user.events.audit.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
	"throughline/services/audit-mq/internal/config"
	"throughline/services/audit-mq/internal/model"
	"throughline/services/internal/events"
)

const (
	// attemptTimeout bounds one attempt at a message.
	attemptTimeout = 10 * time.Second
	// confirmTimeout bounds the wait for the broker's confirmation of a message
	// that is moved.
	confirmTimeout = 5 * time.Second
	// pauseMin and pauseMax bound the waits for a database that is away.
	pauseMin = 500 * time.Millisecond
	pauseMax = 5 * time.Second
)

// Consumer is a go-zero service: it consumes between Start and Stop, and
// reconnects by itself.
type Consumer struct {
	config   config.Config
	logins   *model.LoginModel
	outcomes outcomes
	sessions *events.Sessions
	retries  *events.Publisher // a connection of its own: see events.Sessions
	ctx      context.Context
	stop     context.CancelFunc
	stopped  chan struct{}
}

// New makes a Consumer that stores into logins.
func New(c config.Config, logins *model.LoginModel) *Consumer {
	ctx, stop := context.WithCancel(context.Background())
	return &Consumer{
		config: c, logins: logins, outcomes: newOutcomes(),
		sessions: events.NewSessions(c.RabbitMQ.URL, "audit-mq", events.DeclareQueues),
		retries:  events.NewPublisher(c.RabbitMQ.URL, "audit-mq retries", events.DeclareQueues, confirmTimeout),
		ctx:      ctx, stop: stop, stopped: make(chan struct{}),
	}
}

// Start consumes, and returns after Stop.
func (c *Consumer) Start() {
	defer close(c.stopped)
	go c.retries.Start()
	defer c.retries.Stop() // after the last message has been handled
	go c.prune()
	c.sessions.Run(c.ctx, c.consume)
}

// prune deletes old logins now and every hour until Stop.
func (c *Consumer) prune() {
	for ticker := time.NewTicker(time.Hour); ; {
		c.pruneOnce()
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// pruneOnce is the beginning of a trace.
func (c *Consumer) pruneOnce() {
	ctx, span := otel.Tracer("audit-mq").Start(c.ctx, "prune")
	defer span.End()
	log := logx.WithContext(ctx)
	switch n, err := c.logins.Prune(ctx, time.Now().Add(-c.config.Retention)); {
	case c.ctx.Err() != nil:
	case err != nil:
		span.SetStatus(codes.Error, err.Error())
		log.Error(err)
	case n > 0:
		log.Infof("%d logins older than %v are deleted", n, c.config.Retention)
	}
}

// Stop asks the broker for no more messages and returns when those that had
// arrived have been handled, or given back.
func (c *Consumer) Stop() {
	c.stop()
	<-c.stopped
}

// Ready returns nil while messages are consumed and can be moved to other queues,
// and else why not.
func (c *Consumer) Ready() error { return errors.Join(c.sessions.Ready(), c.retries.Ready()) }

func (c *Consumer) consume(ctx context.Context, ch *events.Session) error {
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
				c.handle(ctx, ch.Channel, &d)
			}
		})
	}
	workers.Wait()
	return nil
}

// handle stores, retries or dead-letters one message and then acknowledges it.
// The span covers all of that, so that a trace shows where a message went. The end
// of session cuts short the waits, not an attempt.
func (c *Consumer) handle(session context.Context, ch *otelamqp.Channel, d *amqp.Delivery) {
	_ = ch.Process(context.WithoutCancel(session), d, func(ctx context.Context) error {
		return c.settle(ctx, session.Done(), d)
	})
}

// settle tries until the message is stored, is in another queue, or has been given
// back to the broker, and returns why it was not stored.
func (c *Consumer) settle(ctx context.Context, ended <-chan struct{}, d *amqp.Delivery) error {
	log := logx.WithContext(ctx)
	pause := pauseMin
	for attempt := attempts(d) + 1; ; {
		failure := c.try(ctx, d, attempt)
		switch next := nextStop(failure, attempt); {
		case failure == nil:
			log.Infof("message %q is stored", d.MessageId)
			return c.settled(ctx, stored, d.Ack(false), nil)

		case errors.As(failure, new(model.Unavailable)):
			// It is not the message's fault, and the next one would fare no better.
			log.Errorf("message %q waits %v: %v", d.MessageId, pause, failure)
			c.outcomes.add(ctx, waited)
			if !wait(ended, pause) {
				return c.giveBack(ctx, d, failure)
			}
			pause = min(2*pause, pauseMax)

		default:
			log.Errorf("message %q, attempt %d, goes to %s: %v", d.MessageId, attempt, next, failure)
			err := c.moveTo(ctx, d, next, attempt, failure)
			if err == nil {
				return c.settled(ctx, outcomeOf(next), d.Ack(false), failure)
			}
			log.Errorf("message %q, attempt %d: move it to %s: %v", d.MessageId, attempt, next, err)
			if next == events.DeadQueue {
				// The broker takes it there itself, without the reason.
				return c.settled(ctx, deadLettered, d.Reject(false), failure)
			}
			// It waits here instead of in the other queue.
			c.outcomes.add(ctx, retried)
			if !wait(ended, events.RetryDelays[attempt-1]) {
				return c.giveBack(ctx, d, failure)
			}
			attempt++
		}
	}
}

// wait returns false when ended does before the time is over.
func wait(ended <-chan struct{}, d time.Duration) bool {
	select {
	case <-ended:
		return false
	case <-time.After(d):
		return true
	}
}

func (c *Consumer) giveBack(ctx context.Context, d *amqp.Delivery, failure error) error {
	return c.settled(ctx, requeued, d.Nack(false, true), failure)
}

// settled counts what became of a message, and returns why it was not stored. One
// that could not be settled is no loss: the broker delivers it again, and it is
// stored once.
func (c *Consumer) settled(ctx context.Context, result outcome, unsettled, failure error) error {
	if unsettled != nil {
		logx.WithContext(ctx).Errorf("acknowledge: %v", unsettled)
		result, failure = requeued, fmt.Errorf("acknowledge: %w", unsettled)
	}
	c.outcomes.add(ctx, result)
	return failure
}

func (c *Consumer) try(ctx context.Context, d *amqp.Delivery, attempt int) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := provoke(ctx, c.config.Faults); err != nil {
		return err
	}
	return c.store(ctx, d, attempt)
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
