package config

import "github.com/zeromicro/go-zero/rest"

// Config is etc/audit-mq.yaml.
type Config struct {
	rest.RestConf
	// DataSource is the path of the SQLite file of logins.
	DataSource string
	RabbitMQ   struct {
		URL string
		// Prefetch is how many unacknowledged messages the broker may hand out.
		Prefetch int `json:",default=32,range=[1:65535]"`
		// Workers is how many messages are handled at the same time.
		Workers int `json:",default=8,range=[1:1024]"`
	}
}
