package config

import (
	"fmt"
	"time"

	"github.com/zeromicro/go-zero/rest"
)

// Config is etc/audit-mq.yaml.
type Config struct {
	rest.RestConf
	// DataSource is the path of the SQLite file of logins.
	DataSource string
	// Retention is how long a login is kept.
	Retention time.Duration `json:",default=720h"`
	RabbitMQ  struct {
		URL string
		// Prefetch is how many unacknowledged messages the broker may hand out.
		Prefetch int `json:",default=32,range=[1:65535]"`
		// Workers is how many messages are handled at the same time.
		Workers int `json:",default=8,range=[1:1024]"`
	}
	Faults Faults `json:",optional"`
}

// Faults make the consumer worse than it is, to see what that looks like on the
// dashboards: `throughline load --scenario slow-consumer` and failing-consumer.
type Faults struct {
	// Delay is how much longer each attempt at a message takes.
	Delay time.Duration `json:",default=0s"`
	// FailureRatio is the share of attempts that fail, from 0 to 1.
	FailureRatio float64 `json:",default=0"`
}

// maxDelay leaves a consumer that stops the time to handle what it was handed,
// which with the default Prefetch and Workers is 4 messages for each worker.
const maxDelay = 3 * time.Second

// Validate is called by go-zero when the configuration is loaded.
func (c Config) Validate() error {
	if c.Faults.Delay < 0 || c.Faults.Delay > maxDelay {
		return fmt.Errorf("Faults.Delay (AUDIT_MQ_DELAY) is %v: give a duration from 0s to %v", c.Faults.Delay, maxDelay)
	}
	if c.Retention < time.Hour {
		return fmt.Errorf("AUDIT_RETENTION (Retention) is %v: give a duration of an hour at the least", c.Retention)
	}
	if r := c.Faults.FailureRatio; r < 0 || r > 1 {
		return fmt.Errorf("Faults.FailureRatio (AUDIT_MQ_FAILURE_RATIO) is %v: give a share from 0 to 1", r)
	}
	return nil
}
