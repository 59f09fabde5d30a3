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
	"throughline/services/internal/conf"
)

func main() { boot.Main("audit-mq", serve) }

func serve(configFile string) error {
	var c config.Config
	if err := conf.Load(configFile, &c); err != nil {
		return err
	}
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
	group.Add(server)
	group.Add(consumer.New(c, svcCtx.LoginModel))
	group.Start()
	return nil
}
