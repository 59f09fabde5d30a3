package events

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrNoBroker says that there is no connection to RabbitMQ at the moment.
var ErrNoBroker = errors.New("not connected to RabbitMQ")

// headersLeft is the room that a message's headers leave in a frame for what is
// added to them: the trace context, and the properties.
const headersLeft = 16 << 10

// ErrHeadersTooLarge says that the headers of a message do not fit into a frame.
// The broker would close the connection that sends them.
var ErrHeadersTooLarge = errors.New("the headers of the message are larger than a frame of the connection")

// Publisher publishes with publisher confirms on one long-lived channel. It is a
// go-zero service: it runs between Start and Stop, and reconnects by itself.
type Publisher struct {
	sessions *Sessions
	timeout  time.Duration
	session  atomic.Pointer[Session]
	ctx      context.Context
	stop     context.CancelFunc
	stopped  chan struct{}
}

// NewPublisher makes a Publisher to the broker at one of the urls, which shows the name
// of its connection; each connection begins with declare, and timeout bounds the wait
// for one confirmation.
func NewPublisher(urls, name string, declare func(*amqp.Channel) error, timeout time.Duration) *Publisher {
	ctx, stop := context.WithCancel(context.Background())
	return &Publisher{sessions: NewSessions(urls, name, declare), timeout: timeout, ctx: ctx, stop: stop, stopped: make(chan struct{})}
}

// Start connects, and returns after Stop.
func (p *Publisher) Start() {
	defer close(p.stopped)
	p.sessions.Run(p.ctx, func(ctx context.Context, s *Session) error {
		if err := s.Confirm(false); err != nil {
			return fmt.Errorf("turn publisher confirms on: %w", err)
		}
		p.session.Store(s)
		defer p.session.Store(nil)
		<-ctx.Done()
		return nil
	})
}

// Stop closes the connection.
func (p *Publisher) Stop() {
	p.stop()
	<-p.stopped
}

// Ready returns nil while messages can be published, and else why not.
func (p *Publisher) Ready() error { return p.sessions.Ready() }

// Publish sends a persistent message and returns nil once the broker has confirmed
// that a queue holds it. After any error but [ErrNoBroker] and [ErrHeadersTooLarge]
// it may or may not have been sent. It does not wait for a broker that has blocked
// the connection.
func (p *Publisher) Publish(ctx context.Context, exchange, key string, msg amqp.Publishing) error {
	s := p.session.Load()
	if s == nil {
		return ErrNoBroker
	}
	if s.FrameSize > 0 && tableSize(msg.Headers)+headersLeft > s.FrameSize {
		return ErrHeadersTooLarge
	}
	flow := *s.flow.Load()
	if flow.Err() != nil {
		return context.Cause(flow)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ctx, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	defer context.AfterFunc(flow, func() { abandon(context.Cause(flow)) })()

	msg.DeliveryMode = amqp.Persistent
	confirm, err := s.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, msg)
	if err != nil {
		return err
	}
	if acked, err := confirm.WaitContext(ctx); err != nil {
		return fmt.Errorf("wait for the broker's confirmation: %w", cause(ctx, err))
	} else if !acked {
		// A channel on which RabbitMQ 3.10 first takes a message while the queue is without
		// a leader refuses all that follow, too, until the node that led it is back.
		s.end(confirm.Err())
		return confirm.Err()
	}
	return nil
}

// cause is why ctx ended, where that is more than its error says.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && ctx.Err() != nil {
		return why
	}
	return err
}

// tableSize is how many bytes a table takes on the wire (AMQP 0-9-1, 4.2.5.5, with
// RabbitMQ's types), or a little more.
func tableSize(table amqp.Table) int {
	n := 4
	for key, value := range table {
		n += 1 + len(key) + valueSize(value)
	}
	return n
}

func valueSize(value any) int {
	switch v := value.(type) {
	case string:
		return 5 + len(v)
	case []byte:
		return 5 + len(v)
	case amqp.Table:
		return 1 + tableSize(v)
	case []any:
		n := 5
		for _, element := range v {
			n += valueSize(element)
		}
		return n
	default: // a number, a time or nothing
		return 9
	}
}
