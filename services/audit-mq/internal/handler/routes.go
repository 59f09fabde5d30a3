package handler

import (
	"net/http"

	"github.com/zeromicro/go-zero/rest"

	"throughline/services/audit-mq/internal/svc"
)

// RegisterHandlers adds the routes of audit.api.
func RegisterHandlers(server *rest.Server, svcCtx *svc.ServiceContext, ready func() error) {
	server.AddRoutes([]rest.Route{
		{Method: http.MethodGet, Path: "/logins", Handler: ListLoginsHandler(svcCtx)},
	}, rest.WithPrefix("/v1"))
	server.AddRoutes([]rest.Route{
		{Method: http.MethodGet, Path: "/healthz", Handler: HealthHandler()},
		{Method: http.MethodGet, Path: "/readyz", Handler: ReadyHandler(ready)},
	})
}
