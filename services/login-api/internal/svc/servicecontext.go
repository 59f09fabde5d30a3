package svc

import (
	"crypto/rand"
	"time"

	"github.com/zeromicro/go-zero/zrpc"
	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"throughline/services/internal/events"
	"throughline/services/login-api/internal/config"
	"throughline/services/login-api/internal/limit"
	"throughline/services/user-rpc/userclient"
)

// ServiceContext holds what the logic needs.
type ServiceContext struct {
	Config          config.Config
	UserRpc         userclient.User
	Publisher       *events.Publisher
	Limits          *limit.Limits
	AccessSecret    string
	UnknownUserHash []byte
}

// NewServiceContext makes the clients; none of them waits for its peer.
func NewServiceContext(c config.Config) (*ServiceContext, error) {
	// gRPC waits up to 2 min between attempts by default; a login can't.
	reconnect := grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: time.Second,
	}
	client, err := zrpc.NewClient(c.UserRpc, zrpc.WithDialOption(grpc.WithConnectParams(reconnect)))
	if err != nil {
		return nil, err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.MinCost)
	if err != nil {
		return nil, err
	}
	limits, err := c.Limits()
	if err != nil {
		return nil, err
	}
	secret := c.Auth.AccessSecret
	if secret == "" {
		secret = rand.Text() + rand.Text()
	}
	return &ServiceContext{
		Config:          c,
		UserRpc:         userclient.NewUser(client),
		Publisher:       events.NewPublisher(c.RabbitMQ.URL, "login-api", events.DeclareExchange, c.RabbitMQ.ConfirmTimeout),
		Limits:          limits,
		AccessSecret:    secret,
		UnknownUserHash: hash,
	}, nil
}
