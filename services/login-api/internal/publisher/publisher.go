// Package publisher sends user.logged_in on one long-lived channel.
package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"throughline/otelamqp"
	"throughline/services/internal/events"
)

// ErrNoBroker says that there is no connection to RabbitMQ at the moment.
var ErrNoBroker = errors.New("not connected to RabbitMQ")

// Publisher publishes with publisher confirms. It is a go-zero service: it runs
// between Start and Stop, and reconnects by itself.
type Publisher struct {
	url     string
	timeout time.Duration
	channel atomic.Pointer[otelamqp.Channel]
	ctx     context.Context
	stop    context.CancelFunc
	stopped chan struct{}
}

// New makes a Publisher; timeout bounds the wait for one confirmation.
func New(url string, timeout time.Duration) *Publisher {
	ctx, stop := context.WithCancel(context.Background())
	return &Publisher{url: url, timeout: timeout, ctx: ctx, stop: stop, stopped: make(chan struct{})}
}

// Start connects, and returns after Stop.
func (p *Publisher) Start() {
	defer close(p.stopped)
	events.Sessions(p.ctx, p.url, "login-api", func(ctx context.Context, ch *otelamqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return fmt.Errorf("turn publisher confirms on: %w", err)
		}
		p.channel.Store(ch)
		defer p.channel.Store(nil)
		<-ctx.Done()
		return nil
	})
}

// Stop closes the connection.
func (p *Publisher) Stop() {
	p.stop()
	<-p.stopped
}

// Publish sends one body and returns nil once the broker has confirmed that a
// queue holds it. After any error the message may or may not have been sent.
func (p *Publisher) Publish(ctx context.Context, body []byte) error {
	ch := p.channel.Load()
	if ch == nil {
		return ErrNoBroker
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return events.Publish(ctx, ch, events.Exchange, events.UserLoggedIn, amqp.Publishing{
		MessageId:   uuid.NewString(),
		Type:        events.UserLoggedIn,
		AppId:       "login-api",
		ContentType: "application/json",
		Timestamp:   time.Now(),
		Body:        body,
	})
}
