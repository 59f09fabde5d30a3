// Package evaluate measures a running stack: what it loses, how fresh it is,
// what it costs, how fast it answers, where it ends, and what faults do to it.
package evaluate

import (
	"context"
	"io"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
	"throughline/internal/verify"
)

// parts controls the processes of the stack that is measured.
type parts interface {
	// Kill ends a part by SIGKILL, Stop by SIGTERM.
	Kill(ctx context.Context, part string) error
	Stop(ctx context.Context, part string) error
	// Start starts a part and waits until it is healthy. The variables, NAME=value,
	// are for this run of it. One that runs with others is restarted.
	Start(ctx context.Context, part string, env ...string) error
	// RunCollector runs another collector of the same binary beside the stack's.
	RunCollector(ctx context.Context, name string, configs []string, env ...string) (*stack.Collector, error)
	// Sampling changes the collector to two tiers that sample, or back to one. The
	// variables, NAME=value, are for that.
	Sampling(ctx context.Context, on bool, env ...string) error
	// Fixed says why no part can be given other settings, and no other part be run;
	// it is empty when that can be done.
	Fixed() string
	// BrokerAlarm makes the broker block its publishers, or not any more.
	BrokerAlarm(ctx context.Context, on bool) error
	// QueueMembers returns the nodes of the broker on which the queue has members that
	// are online, and the one that leads them.
	QueueMembers(ctx context.Context, queue string) (leader string, online []string, err error)
	// LockDatabase keeps audit-mq out of its database until the lock is given back.
	LockDatabase(context.Context) (giveBack func(context.Context) error, err error)
	Usage(part string) (stack.Usage, error)
	DiskUsage(part string) (int64, error)
}

// lab is what the steps of one evaluation share.
type lab struct {
	target   verify.Target
	parts    parts
	plan     plan
	scratch  string    // a directory for what lasts no longer than a step
	progress io.Writer // one line for each thing that a person waits for

	jaeger     *backend.Jaeger
	tempo      *backend.Tempo
	loki       *backend.Loki
	prometheus *backend.Prometheus

	limited []result.PartMemory // services and collector, with their limits

	brokerNodes int // of the broker that is ours to break; 0 when it is the user's

	deadLetters func() (int, error) // how many there are

	jaegerOTLP    string // host:port, what the collector sends to
	jaegerMetrics string // URL, in Prometheus format
}

func newLab(target verify.Target, parts parts, plan plan, progress io.Writer) *lab {
	return &lab{
		target: target, parts: parts, plan: plan, progress: progress,
		jaeger: backend.NewJaeger(target.JaegerURL), tempo: backend.NewTempo(target.TempoURL),
		loki: backend.NewLoki(target.LokiURL), prometheus: backend.NewPrometheus(target.PrometheusURL),
		brokerNodes: 1,
		deadLetters: func() (int, error) { return queueDepth(target.RabbitMQURL, deadQueue) },
	}
}
