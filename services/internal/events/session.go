package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"

	"throughline/otelamqp"
)

const (
	dialTimeout = 3 * time.Second
	heartbeat   = 5 * time.Second
	backoffMin  = 100 * time.Millisecond
	backoffMax  = time.Second
)

// Sessions runs use on one connection and channel after another until ctx ends:
// it dials, declares the topology, and calls use with a fresh channel; when use
// returns or the channel is lost, it begins again, waiting a second or so between
// attempts. The context that use gets ends with its channel.
//
// A session is never repaired. What was in flight on a lost channel fails there,
// so that an acknowledgement or a confirmation of the old channel can never be
// mistaken for one of the new (docs/decisions/0001-fresh-sessions.md).
func Sessions(ctx context.Context, url, name string, use func(context.Context, *otelamqp.Channel) error) {
	for wait := backoffMin; ctx.Err() == nil; {
		began := time.Now()
		err := session(ctx, url, name, use)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > backoffMax {
			wait = backoffMin
		}
		logx.Errorf("rabbitmq: session lost, next attempt in %v: %v", wait, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait + rand.N(wait/2)): // apart from the other services
		}
		wait = min(2*wait, backoffMax)
	}
}

func session(ctx context.Context, url, name string, use func(context.Context, *otelamqp.Channel) error) error {
	uri, err := amqp.ParseURI(url)
	if err != nil {
		return fmt.Errorf("RABBITMQ_URL is not an AMQP address (amqp://user:password@host:port/vhost): %w", err)
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat:  heartbeat,
		Dial:       amqp.DefaultDial(dialTimeout),
		Properties: properties,
	})
	if err != nil {
		return fmt.Errorf("connect to %s:%d: %w", uri.Host, uri.Port, err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	lost := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := Declare(ch); err != nil {
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
	logx.Infof("rabbitmq: connected to %s:%d", uri.Host, uri.Port)
	err = use(ctx, otelamqp.NewChannel(ch,
		otelamqp.WithServerAddress(uri.Host, uri.Port),
		otelamqp.WithPeerAddress(conn.RemoteAddr()),
		otelamqp.WithAttemptHeader(AttemptsHeader),
	))
	return errors.Join(err, context.Cause(ctx))
}
