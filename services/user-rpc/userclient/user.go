// Package userclient calls user-rpc.
package userclient

import (
	"context"

	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"throughline/services/user-rpc/user"
)

type (
	GetUserByMobileReq  = user.GetUserByMobileReq
	GetUserByMobileResp = user.GetUserByMobileResp

	// User is the client of user.User.
	User interface {
		GetUserByMobile(ctx context.Context, in *GetUserByMobileReq, opts ...grpc.CallOption) (*GetUserByMobileResp, error)
	}

	defaultUser struct {
		cli zrpc.Client
	}
)

// NewUser wraps a zRPC client.
func NewUser(cli zrpc.Client) User {
	// go-zero logs the request of a failed or slow call: here, a mobile number.
	zrpc.DontLogClientContentForMethod(user.User_GetUserByMobile_FullMethodName)
	return &defaultUser{cli: cli}
}

func (m *defaultUser) GetUserByMobile(ctx context.Context, in *GetUserByMobileReq, opts ...grpc.CallOption) (*GetUserByMobileResp, error) {
	return user.NewUserClient(m.cli.Conn()).GetUserByMobile(ctx, in, opts...)
}
