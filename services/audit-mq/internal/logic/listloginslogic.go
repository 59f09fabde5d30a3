package logic

import (
	"context"

	"github.com/zeromicro/go-zero/core/logx"

	"throughline/services/audit-mq/internal/model"
	"throughline/services/audit-mq/internal/svc"
	"throughline/services/audit-mq/internal/types"
)

// ListLoginsLogic answers GET /v1/logins.
type ListLoginsLogic struct {
	ctx    context.Context
	svcCtx *svc.ServiceContext
	logx.Logger
}

// NewListLoginsLogic serves one request.
func NewListLoginsLogic(ctx context.Context, svcCtx *svc.ServiceContext) *ListLoginsLogic {
	return &ListLoginsLogic{ctx: ctx, svcCtx: svcCtx, Logger: logx.WithContext(ctx)}
}

// ListLogins returns what arrived.
func (l *ListLoginsLogic) ListLogins(req *types.ListLoginsReq) (*types.ListLoginsResp, error) {
	total, rows, err := l.svcCtx.LoginModel.Find(l.ctx, model.Filter{UserID: req.UserID, TraceID: req.TraceID}, req.Limit, req.Offset)
	if err != nil {
		return nil, err
	}
	logins := make([]types.Login, 0, len(rows))
	for _, row := range rows {
		logins = append(logins, types.Login(row))
	}
	return &types.ListLoginsResp{Total: total, Logins: logins}, nil
}
