// Package traced has the sender and the listener of go-queue's package rabbitmq, with
// its configuration, on otelamqp: both take a context, whose trace crosses the broker.
package traced

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-queue/rabbitmq"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/queue"

	"throughline/otelamqp"
)

// Sender publishes messages.
type Sender struct {
	conn        *amqp.Connection
	channel     *otelamqp.Channel
	contentType string
}

// NewSender connects to the broker.
func NewSender(conf rabbitmq.RabbitSenderConf, opts ...otelamqp.Option) (*Sender, error) {
	conn, ch, err := open(conf.RabbitConf, opts)
	if err != nil {
		return nil, err
	}
	return &Sender{conn, ch, conf.ContentType}, nil
}

// Send is go-queue's, within the trace of ctx.
func (s *Sender) Send(ctx context.Context, exchange, routeKey string, msg []byte) error {
	return s.channel.PublishWithContext(ctx, exchange, routeKey, false, false, amqp.Publishing{
		ContentType: s.contentType,
		Body:        msg,
	})
}

// Close closes the connection.
func (s *Sender) Close() error { return s.conn.Close() }

// ConsumeHandler handles messages. What it logs by ctx has the trace's id.
type ConsumeHandler interface {
	Consume(ctx context.Context, message string) error
}

type listener struct {
	conn    *amqp.Connection
	channel *otelamqp.Channel
	queues  []rabbitmq.ConsumerConf
	handler ConsumeHandler
	ctx     context.Context // of consuming
	stop    context.CancelFunc
}

// NewListener connects to the broker. Its queues are consumed from Start to Stop.
func NewListener(conf rabbitmq.RabbitListenerConf, handler ConsumeHandler, opts ...otelamqp.Option) (queue.MessageQueue, error) {
	conn, ch, err := open(conf.RabbitConf, opts)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	return &listener{conn, ch, conf.ListenerQueues, handler, ctx, stop}, nil
}

// Start returns after Stop, when every delivered message has been handled. It ends the
// program when a queue cannot be consumed or the connection is lost.
func (l *listener) Start() {
	defer l.conn.Close()
	var workers sync.WaitGroup
	for _, q := range l.queues {
		deliveries, err := l.channel.ConsumeWithContext(l.ctx, q.Name, "", q.AutoAck, q.Exclusive, q.NoLocal, q.NoWait, nil)
		logx.Must(err)
		workers.Go(func() {
			for d := range deliveries {
				l.handle(q, &d)
			}
			if l.ctx.Err() == nil {
				logx.Must(fmt.Errorf("traced: queue %s is no longer consumed: the connection is lost, or the queue is", q.Name))
			}
		})
	}
	workers.Wait()
}

// Stop lets Start return.
func (l *listener) Stop() { l.stop() }

func (l *listener) handle(q rabbitmq.ConsumerConf, d *amqp.Delivery) {
	// Not l.ctx: a message that came before Stop is handled to the end.
	_ = l.channel.Process(context.Background(), d, func(ctx context.Context) error {
		err := l.handler.Consume(ctx, string(d.Body))
		if err != nil {
			logx.WithContext(ctx).Errorf("a message of %s is not handled: %v", q.Name, err)
		}
		switch {
		case q.AutoAck:
		case err != nil:
			_ = d.Reject(false)
		default:
			_ = d.Ack(false)
		}
		return err
	})
}

func open(conf rabbitmq.RabbitConf, opts []otelamqp.Option) (*amqp.Connection, *otelamqp.Channel, error) {
	uri := amqp.URI{
		Scheme: "amqp", Host: conf.Host, Port: conf.Port, Vhost: cmp.Or(conf.VHost, "/"),
		Username: conf.Username, Password: conf.Password,
	}
	conn, err := amqp.Dial(uri.String())
	if err != nil {
		return nil, nil, fmt.Errorf("traced: connect to %s:%d: %w", conf.Host, conf.Port, err)
	}
	ch, err := conn.Channel()
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("traced: open a channel on %s:%d: %w", conf.Host, conf.Port, err)
	}
	opts = append([]otelamqp.Option{otelamqp.WithServerAddress(conf.Host, conf.Port)}, opts...)
	return conn, otelamqp.NewChannel(ch, opts...), nil
}
