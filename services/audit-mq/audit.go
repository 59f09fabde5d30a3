// Command audit-mq consumes logins from RabbitMQ and keeps their history.
package main

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest"

	"throughline/services/audit-mq/internal/config"
	"throughline/services/audit-mq/internal/consumer"
	"throughline/services/audit-mq/internal/handler"
	"throughline/services/audit-mq/internal/svc"
	"throughline/services/internal/boot"
	"throughline/telemetry"
)

func main() { boot.Main("audit-mq", serve) }

func serve(c config.Config) error {
	svcCtx, err := svc.NewServiceContext(c)
	if err != nil {
		return err
	}
	server, err := rest.NewServer(c.RestConf)
	if err != nil {
		return err
	}
	consumer := consumer.New(c, svcCtx.LoginModel)
	handler.RegisterHandlers(server, svcCtx, consumer.Ready)
	edge, err := telemetry.Edge(server, nil) // nobody's traces lead here but by a message
	if err != nil {
		return err
	}

	go consumer.Start()
	defer consumer.Stop() // after the last request has been answered
	server.StartWithOpts(func(svr *http.Server) { svr.IdleTimeout = boot.IdleTimeout }, edge)
	return nil
}
