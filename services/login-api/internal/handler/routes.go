package handler

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest"

	"throughline/services/login-api/internal/svc"
)

const (
	prefix    = "/v1"
	loginPath = prefix + "/login"
)

// RegisterHandlers adds the routes of login.api.
func RegisterHandlers(server *rest.Server, svcCtx *svc.ServiceContext) {
	server.AddRoutes([]rest.Route{
		{Method: http.MethodPost, Path: "/login", Handler: LoginHandler(svcCtx)},
		{Method: http.MethodGet, Path: "/me", Handler: MeHandler(svcCtx)},
	}, rest.WithPrefix(prefix))
	server.AddRoutes([]rest.Route{
		{Method: http.MethodGet, Path: "/healthz", Handler: HealthHandler()},
		{Method: http.MethodGet, Path: "/readyz", Handler: ReadyHandler(svcCtx.Publisher.Ready)},
	})
}
