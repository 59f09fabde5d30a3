// Command orders is a go-zero service that publishes each order it takes.
package main

import (
	"cmp"
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/utils"
	"github.com/zeromicro/go-zero/rest"

	"throughline/telemetry"
)

func main() {
	file := flag.String("f", "docs/adopt/0-bare/orders.yaml", "the configuration file")
	flag.Parse()
	var c rest.RestConf
	conf.MustLoad(*file, &c)
	logx.Must(c.SetUp())
	shutdown, err := telemetry.Setup(context.Background(), c.Name)
	logx.Must(err)

	ch := channel()
	server := rest.MustNewServer(c)
	server.AddRoute(rest.Route{Method: http.MethodPost, Path: "/orders", Handler: func(w http.ResponseWriter, r *http.Request) {
		ctx, id := r.Context(), utils.NewUuid()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the order broke off", http.StatusBadRequest)
			return
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "adopt.orders", "order.placed", true, false, amqp.Publishing{
			MessageId: id, DeliveryMode: amqp.Persistent, ContentType: "application/json", Body: body,
		})
		if err != nil || !confirm.Wait() {
			logx.WithContext(ctx).Errorf("order %s is not placed: %v", id, err)
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		logx.WithContext(ctx).Infof("order %s is placed", id)
		w.WriteHeader(http.StatusAccepted)
	}})
	server.Start()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	logx.Must(shutdown(ctx))
}

func channel() *amqp.Channel {
	conn, err := amqp.Dial(cmp.Or(os.Getenv("RABBITMQ_URL"), "amqp://throughline:throughline@127.0.0.1:5672/"))
	logx.Must(err)
	ch, err := conn.Channel()
	logx.Must(err)
	logx.Must(ch.Confirm(false))
	logx.Must(ch.ExchangeDeclare("adopt.orders", amqp.ExchangeTopic, true, false, false, false, nil))
	return ch
}
