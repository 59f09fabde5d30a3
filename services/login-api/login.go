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

	go svcCtx.Publisher.Start()
	defer svcCtx.Publisher.Stop() // after the last request has been answered
	server.StartWithOpts(func(svr *http.Server) {
		svr.Handler = middleware.ResponseHeaders(svr.Handler)
	})
	return nil
}
