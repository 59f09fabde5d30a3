// Command shipping is a bare amqp091 client that consumes the orders.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	ch := channel()
	deliveries, err := ch.ConsumeWithContext(ctx, "adopt.shipping", "shipping", false, false, false, false, nil)
	logx.Must(err)
	for d := range deliveries {
		_ = ship(ctx, &d)
	}
}

// ship handles one order and settles its message; it logs why it could not.
func ship(ctx context.Context, d *amqp.Delivery) error {
	var order struct{ Item string }
	if err := json.Unmarshal(d.Body, &order); err != nil {
		logx.WithContext(ctx).Errorf("order %s is rejected: %v", d.MessageId, err)
		_ = d.Reject(false)
		return err
	}
	logx.WithContext(ctx).Infof("order %s is shipped: %s", d.MessageId, order.Item)
	return d.Ack(false)
}

func channel() *amqp.Channel {
	conn, err := amqp.Dial(cmp.Or(os.Getenv("RABBITMQ_URL"), "amqp://throughline:throughline@127.0.0.1:5672/"))
	logx.Must(err)
	ch, err := conn.Channel()
	logx.Must(err)
	logx.Must(ch.ExchangeDeclare("adopt.orders", amqp.ExchangeTopic, true, false, false, false, nil))
	// An example should leave nothing behind: the queue goes ten minutes after its consumer.
	_, err = ch.QueueDeclare("adopt.shipping", true, false, false, false, amqp.Table{amqp.QueueTTLArg: 600_000})
	logx.Must(err)
	logx.Must(ch.QueueBind("adopt.shipping", "order.placed", "adopt.orders", false, nil))
	return ch
}
