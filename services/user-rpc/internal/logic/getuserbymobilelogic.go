package logic

import (
	"context"
	"errors"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"throughline/services/internal/mobile"
	"throughline/services/user-rpc/internal/model"
	"throughline/services/user-rpc/internal/svc"
	"throughline/services/user-rpc/user"
)

// GetUserByMobileLogic answers user.User/GetUserByMobile.
type GetUserByMobileLogic struct {
	ctx    context.Context
	svcCtx *svc.ServiceContext
	logx.Logger
}

// NewGetUserByMobileLogic serves one call.
func NewGetUserByMobileLogic(ctx context.Context, svcCtx *svc.ServiceContext) *GetUserByMobileLogic {
	return &GetUserByMobileLogic{ctx: ctx, svcCtx: svcCtx, Logger: logx.WithContext(ctx)}
}

// GetUserByMobile returns INVALID_ARGUMENT, NOT_FOUND or INTERNAL. The messages
// end up in spans, so none of them repeats the number.
func (l *GetUserByMobileLogic) GetUserByMobile(in *user.GetUserByMobileReq) (*user.GetUserByMobileResp, error) {
	number, err := mobile.Parse(in.GetMobile())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "mobile %v", err)
	}
	u, err := l.svcCtx.UserModel.FindByMobile(l.ctx, number)
	switch {
	case errors.Is(err, model.ErrNotFound):
		return nil, status.Error(codes.NotFound, "no user has this mobile number")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil, status.FromContextError(err).Err()
	case err != nil:
		l.Errorf("user %s: %v", number, err)
		return nil, status.Error(codes.Internal, "the user database does not answer")
	}
	l.Infof("user %d found", u.ID)
	return &user.GetUserByMobileResp{Id: u.ID, Name: u.Name, PasswordHash: u.PasswordHash}, nil
}
