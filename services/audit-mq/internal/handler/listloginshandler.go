package handler

import (
	"net/http"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/rest/httpx"

	"throughline/services/audit-mq/internal/logic"
	"throughline/services/audit-mq/internal/svc"
	"throughline/services/audit-mq/internal/types"
)

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ListLoginsHandler serves GET /v1/logins.
func ListLoginsHandler(svcCtx *svc.ServiceContext) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req types.ListLoginsReq
		if err := httpx.ParseForm(r, &req); err != nil {
			httpx.WriteJsonCtx(r.Context(), w, http.StatusBadRequest, failure{"invalid_argument", err.Error()})
			return
		}
		resp, err := logic.NewListLoginsLogic(r.Context(), svcCtx).ListLogins(&req)
		if err != nil {
			logx.WithContext(r.Context()).Error(err)
			httpx.WriteJsonCtx(r.Context(), w, http.StatusInternalServerError, failure{"internal", "the audit database does not answer"})
			return
		}
		httpx.OkJsonCtx(r.Context(), w, resp)
	}
}
