// Command audit-mq consumes logins from RabbitMQ and keeps their history.
package main

import (
	"github.com/zeromicro/go-zero/core/service"
	"github.com/zeromicro/go-zero/rest"

	"throughline/services/audit-mq/internal/config"
	"throughline/services/audit-mq/internal/consumer"
	"throughline/services/audit-mq/internal/handler"
	"throughline/services/audit-mq/internal/svc"
	"throughline/services/internal/boot"
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
	handler.RegisterHandlers(server, svcCtx)

	group := service.NewServiceGroup()
	defer group.Stop()
	// All that Stop of a server does is to close the log, and the consumer still
	// writes to it when it stops.
	group.Add(service.WithStarter(server))
	group.Add(consumer.New(c, svcCtx.LoginModel))
	group.Start()
	return nil
}
