// Command user-rpc is the zRPC service that knows the users.
package main

import (
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"throughline/services/internal/boot"
	"throughline/services/user-rpc/internal/config"
	"throughline/services/user-rpc/internal/server"
	"throughline/services/user-rpc/internal/svc"
	"throughline/services/user-rpc/user"
)

func main() { boot.Main("user-rpc", serve) }

func serve(c config.Config) error {
	svcCtx, err := svc.NewServiceContext(c)
	if err != nil {
		return err
	}
	s, err := zrpc.NewServer(c.RpcServerConf, func(s *grpc.Server) {
		user.RegisterUserServer(s, server.NewUserServer(svcCtx))
	})
	if err != nil {
		return err
	}
	defer s.Stop()
	s.Start()
	return nil
}
