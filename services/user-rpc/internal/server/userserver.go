package server

import (
	"context"

	"throughline/services/user-rpc/internal/logic"
	"throughline/services/user-rpc/internal/svc"
	"throughline/services/user-rpc/user"
)

// UserServer is the gRPC server of user.User.
type UserServer struct {
	svcCtx *svc.ServiceContext
	user.UnimplementedUserServer
}

// NewUserServer serves with the given context.
func NewUserServer(svcCtx *svc.ServiceContext) *UserServer {
	return &UserServer{svcCtx: svcCtx}
}

// GetUserByMobile implements user.UserServer.
func (s *UserServer) GetUserByMobile(ctx context.Context, in *user.GetUserByMobileReq) (*user.GetUserByMobileResp, error) {
	return logic.NewGetUserByMobileLogic(ctx, s.svcCtx).GetUserByMobile(in)
}
