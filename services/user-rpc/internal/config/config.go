package config

import "github.com/zeromicro/go-zero/zrpc"

// Config is etc/user-rpc.yaml.
type Config struct {
	zrpc.RpcServerConf
	// DataSource is the path of the SQLite file of users.
	DataSource string
}
