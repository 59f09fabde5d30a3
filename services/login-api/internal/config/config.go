package config

import (
	"time"

	"github.com/zeromicro/go-zero/rest"
	"github.com/zeromicro/go-zero/zrpc"
)

// Config is etc/login-api.yaml.
type Config struct {
	rest.RestConf
	Auth struct {
		// AccessSecret signs tokens (HS256). Empty: a random one for this process.
		AccessSecret string        `json:",optional"`
		AccessExpire time.Duration `json:",default=24h"`
	}
	UserRpc  zrpc.RpcClientConf
	RabbitMQ struct {
		URL string
		// ConfirmTimeout bounds the wait for the broker's confirmation of one message.
		ConfirmTimeout time.Duration `json:",default=2s"`
	}
}
