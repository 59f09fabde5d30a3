package handler

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest"

	"throughline/services/login-api/internal/svc"
)

// RegisterHandlers adds the routes of login.api.
func RegisterHandlers(server *rest.Server, svcCtx *svc.ServiceContext) {
	server.AddRoutes([]rest.Route{
		{Method: http.MethodPost, Path: "/login", Handler: LoginHandler(svcCtx)},
	}, rest.WithPrefix("/v1"))
	server.AddRoutes([]rest.Route{
		{Method: http.MethodGet, Path: "/healthz", Handler: HealthHandler()},
	})
}
