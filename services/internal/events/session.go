package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"throughline/otelamqp"
)

const (
	dialTimeout  = 3 * time.Second
	closeTimeout = 3 * time.Second // a broker that has an alarm reads no more of a connection that publishes
	heartbeat    = 5 * time.Second
	backoffMin   = 100 * time.Millisecond
	backoffMax   = time.Second
)

// Sessions are one connection with a channel after another, each with what the
// service needs declared. Use one for publishing and another for consuming: RabbitMQ
// stops reading of a connection that publishes while it is short of memory or
// disk, and acknowledgements would lie unread with the rest.
//
// A session is never repaired. What was in flight on a lost channel fails there,
// so that an acknowledgement or a confirmation of the old channel can never be
// mistaken for one of the new (docs/decisions/0001-fresh-sessions.md).
type Sessions struct {
	urls    []string
	tried   int // how many sessions were begun
	name    string
	declare func(*amqp.Channel) error
	state   atomic.Pointer[error]
}

// NewSessions makes sessions with the broker at one of the urls, which have commas
// between them: each is with the next, and begins with declare. The broker shows the
// name.
func NewSessions(urls, name string, declare func(*amqp.Channel) error) *Sessions {
	s := &Sessions{urls: split(urls), name: name, declare: declare}
	s.is(errors.New("not connected to RabbitMQ yet"))
	return s
}

// Session is a channel of a connection of its own.
type Session struct {
	*otelamqp.Channel
	// FrameSize is the largest frame that both sides agreed on, in bytes; 0 is
	// without a limit.
	FrameSize int
	// flow ends, with the reason, when the broker blocks the connection.
	flow atomic.Pointer[context.Context]
	end  context.CancelCauseFunc // ends the session, for a reason; the next begins
}

// Ready returns nil while there is a session, and else why there is none.
func (s *Sessions) Ready() error { return *s.state.Load() }

func (s *Sessions) is(err error) { s.state.Store(&err) }

// Run calls use with a fresh session, and again when use returns or the channel is
// lost, waiting up to a second or so between attempts, until ctx ends. The context that
// use gets ends with its channel.
func (s *Sessions) Run(ctx context.Context, use func(context.Context, *Session) error) {
	for wait := backoffMin; ctx.Err() == nil; {
		began := time.Now()
		err := s.session(ctx, use)
		if ctx.Err() != nil {
			return
		}
		s.is(err)
		if time.Since(began) > backoffMax {
			wait = backoffMin
		}
		logx.Errorf("rabbitmq: session of %s lost, next attempt in %v: %v", s.name, wait, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait + rand.N(wait/2)): // apart from the other services
		}
		if s.tried%len(s.urls) == 0 { // each had its turn
			wait = min(2*wait, backoffMax)
		}
	}
}

func (s *Sessions) session(ctx context.Context, use func(context.Context, *Session) error) error {
	for _, url := range s.urls { // also those whose turn it is not
		if _, err := parse(url); err != nil {
			return err
		}
	}
	url := s.urls[s.tried%len(s.urls)]
	s.tried++
	uri, _ := parse(url)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(s.name)
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat:  heartbeat,
		Dial:       amqp.DefaultDial(dialTimeout),
		Properties: properties,
	})
	if err != nil {
		return fmt.Errorf("connect to %s:%d: %w", uri.Host, uri.Port, err)
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(closeTimeout)) }()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	lost := ch.NotifyClose(make(chan *amqp.Error, 1))
	blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	if err := s.declare(ch); err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err, ok := <-lost; ok {
			cancel(err)
		}
		cancel(errors.New("channel closed"))
	}()
	session := &Session{FrameSize: conn.Config.FrameSize, Channel: otelamqp.NewChannel(ch,
		otelamqp.WithServerAddress(uri.Host, uri.Port),
		otelamqp.WithPeerAddress(conn.RemoteAddr()),
		otelamqp.WithAttemptHeader(AttemptsHeader),
		otelamqp.WithPublishedAt(),
		otelamqp.WithBodyEnvelope(),
	), end: cancel}
	session.flow.Store(&ctx)
	go s.watch(ctx, session, blockings)
	logx.Infof("rabbitmq: %s connected to %s:%d", s.name, uri.Host, uri.Port)
	s.is(nil)
	err = use(ctx, session)
	return errors.Join(err, context.Cause(ctx))
}

// watch follows what the broker says of the connection until that is closed.
func (s *Sessions) watch(ctx context.Context, session *Session, blockings <-chan amqp.Blocking) {
	blocked, err := otel.Meter("rabbitmq").Int64Gauge("rabbitmq.connection.blocked",
		metric.WithUnit("{connection}"), metric.WithDescription("1 while the broker takes nothing from the connection, as in an alarm."))
	if err != nil {
		otel.Handle(err)
	}
	of := metric.WithAttributes(attribute.String("connection", s.name))
	blocked.Record(ctx, 0, of)
	defer blocked.Record(context.WithoutCancel(ctx), 0, of)
	for b := range blockings {
		if !b.Active {
			logx.Infof("rabbitmq: %s is no longer blocked", s.name)
			blocked.Record(ctx, 0, of)
			session.flow.Store(&ctx)
			s.is(nil)
			continue
		}
		reason := blockedError{b.Reason}
		logx.Errorf("rabbitmq: %s is blocked by the broker: %s", s.name, b.Reason)
		blocked.Record(ctx, 1, of)
		stopped, stop := context.WithCancelCause(ctx)
		stop(reason)
		session.flow.Store(&stopped)
		s.is(reason)
	}
}

type blockedError struct{ reason string }

func (e blockedError) Error() string { return "blocked by RabbitMQ: " + e.reason }

// between is what separates two addresses. A comma alone may be part of a password.
var between = regexp.MustCompile(`[,\s]+(amqps?://)`)

// split returns the addresses of a list.
func split(urls string) []string {
	return strings.Split(between.ReplaceAllString(strings.TrimSpace(urls), "\n$1"), "\n")
}

// parse reads an address. What is wrong with it is not repeated, as it may be a
// part of the password.
func parse(address string) (amqp.URI, error) {
	uri, err := amqp.ParseURI(address)
	if err != nil {
		return uri, errors.New("RABBITMQ_URL is not an AMQP address: give it as amqp://user:password@host:port/vhost, " +
			"several with commas between them, and characters such as # and / in user and password percent-encoded")
	}
	return uri, nil
}
