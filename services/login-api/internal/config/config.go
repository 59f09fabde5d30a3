package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/rest"
	"github.com/zeromicro/go-zero/zrpc"

	"throughline/services/login-api/internal/limit"
)

// Config is etc/login-api.yaml.
type Config struct {
	rest.RestConf
	// TrustedCallers are the addresses and networks whose trace context goes on, with
	// commas between them: one environment variable gives them all.
	TrustedCallers string `json:",optional"`
	Auth           struct {
		// AccessSecret signs tokens (HS256). Empty: a random one for this process. It is
		// not in the file, where a secret with a # in it would be a comment.
		AccessSecret string        `json:",optional,env=LOGIN_API_ACCESS_SECRET"`
		AccessExpire time.Duration `json:",default=24h"`
	}
	// Limit bounds how often a login is tried; New of package limit says how.
	Limit struct {
		PerAddress int    `json:",default=10,range=[0:10000]"`
		Exempt     string `json:",optional"`
	}
	UserRpc  zrpc.RpcClientConf
	RabbitMQ struct {
		URL string
		// ConfirmTimeout bounds the wait for the broker's confirmation of one message.
		ConfirmTimeout time.Duration `json:",default=2s"`
	}
}

// minSecret is the least that a key of HS256 has, in bytes (RFC 7518, 3.2).
const minSecret = 32

// Validate is called by go-zero when the configuration is loaded.
func (c Config) Validate() error {
	if n := len(c.Auth.AccessSecret); n > 0 && n < minSecret {
		return fmt.Errorf("LOGIN_API_ACCESS_SECRET has %d bytes: give %d at the least, such as the output of `openssl rand -base64 32`, or none for a random one", n, minSecret)
	}
	_, err := c.Limits()
	return err
}

// Trusted is the list in TrustedCallers.
func (c Config) Trusted() []string { return list(c.TrustedCallers) }

// Limits makes what Limit describes.
func (c Config) Limits() (*limit.Limits, error) {
	limits, err := limit.New(c.Limit.PerAddress, c.Trusted(), list(c.Limit.Exempt))
	if err != nil {
		return nil, fmt.Errorf("LOGIN_API_TRUSTED_CALLERS or LOGIN_API_UNLIMITED_CALLERS: %w", err)
	}
	return limits, nil
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
