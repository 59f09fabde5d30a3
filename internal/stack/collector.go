package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"throughline/internal/probe"
)

// Collector is a collector beside the stack's own: of the same binary and with
// the same variables, on ports and with queues of its own.
type Collector struct {
	Program
	OTLPGRPC string // host:port
	OTLPHTTP string // host:port
	Zipkin   string // host:port
	Metrics  string // URL, in Prometheus format
}

// RunCollector starts another collector and waits until it is healthy. Each
// config is a path from the root of the source tree, or another URI that the
// collector understands. The variables, NAME=value, come before those that the
// stack's own collector gets, but for its ports and its queues. A collector that
// is never stopped is stopped by Down.
func (s *Stack) RunCollector(ctx context.Context, name string, configs []string, env ...string) (*Collector, error) {
	own, err := s.part("otel-collector")
	if err != nil {
		return nil, err
	}
	if err := executable(own.binary); err != nil {
		return nil, fmt.Errorf("%s: %s: %w; run `throughline up` first", own.name, own.binary, err)
	}
	ports := s.UnusedPorts(own.ports)
	at := func(variable string) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[variable])) }

	p := *own
	p.name = own.name + "-" + name
	p.address = at("COLLECTOR_OTLP_GRPC_PORT")
	p.ready = probe.HTTP("http://" + at("COLLECTOR_HEALTH_PORT") + "/")
	p.ports, p.needs, p.args, p.files = nil, nil, nil, nil
	for _, config := range configs {
		p.args = append(p.args, "--config", config)
	}
	p.env = append(slices.Clone(own.env), "HOSTNAME="+p.name)
	p.env = append(p.env, env...)
	p.env = append(p.env, "BIND_HOST=127.0.0.1", "COLLECTOR_QUEUE_DIR="+s.dataDir(p.name))
	for variable, port := range ports {
		p.env = append(p.env, variable+"="+strconv.Itoa(port))
	}

	c := &Collector{
		Program:  Program{stack: s, part: p},
		OTLPGRPC: at("COLLECTOR_OTLP_GRPC_PORT"),
		OTLPHTTP: at("COLLECTOR_OTLP_HTTP_PORT"),
		Zipkin:   at("COLLECTOR_ZIPKIN_PORT"),
		Metrics:  "http://" + at("COLLECTOR_METRICS_PORT") + "/metrics",
	}
	if err := c.Remove(ctx); err != nil { // one that a killed process has left
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.DataDir()))
	}
	return c, nil
}
