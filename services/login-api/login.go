// Command login-api is the REST service through which a login enters.
package main

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest"

	"throughline/services/internal/boot"
	"throughline/services/login-api/internal/config"
	"throughline/services/login-api/internal/handler"
	"throughline/services/login-api/internal/middleware"
	"throughline/services/login-api/internal/svc"
	"throughline/telemetry"
)

func main() { boot.Main("login-api", serve) }

func serve(c config.Config) error {
	svcCtx, err := svc.NewServiceContext(c)
	if err != nil {
		return err
	}
	server, err := rest.NewServer(c.RestConf)
	if err != nil {
		return err
	}
	server.Use(middleware.TraceID)
	handler.RegisterHandlers(server, svcCtx)
	edge, err := telemetry.Edge(server, c.Trusted())
	if err != nil {
		return err
	}

	go svcCtx.Publisher.Start()
	defer svcCtx.Publisher.Stop() // after the last request has been answered
	server.StartWithOpts(func(svr *http.Server) {
		svr.IdleTimeout = boot.IdleTimeout
		svr.Handler = middleware.ResponseHeaders(handler.CountRefused(svr.Handler))
	}, edge)
	return nil
}
