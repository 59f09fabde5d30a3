package stack

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// defaultPorts holds each port by the variable that moves it.
var defaultPorts = map[string]int{
	"LOGIN_API_PORT":           8080,
	"USER_RPC_PORT":            8081,
	"AUDIT_MQ_PORT":            8082,
	"RABBITMQ_PORT":            5672,
	"RABBITMQ_MANAGEMENT_PORT": 15672,
	"RABBITMQ_DIST_PORT":       25672,
	"RABBITMQ_EPMD_PORT":       4369,
	"COLLECTOR_OTLP_GRPC_PORT": 4317,
	"COLLECTOR_OTLP_HTTP_PORT": 4318,
	"COLLECTOR_ZIPKIN_PORT":    9411,
	"COLLECTOR_HEALTH_PORT":    13133,
	"COLLECTOR_METRICS_PORT":   8888,
	"LOKI_PORT":                3100,
	"LOKI_GRPC_PORT":           9096,
	"PROMETHEUS_PORT":          9090,
	"GRAFANA_PORT":             3000,
	"CONSOLE_PORT":             3300,
	"TEMPO_PORT":               3200,
	"TEMPO_GRPC_PORT":          9095,
	"TEMPO_OTLP_HTTP_PORT":     24318,
	"JAEGER_QUERY_PORT":        16686,
	"JAEGER_QUERY_GRPC_PORT":   16685,
	"JAEGER_OTLP_HTTP_PORT":    14318,
	"JAEGER_HEALTH_PORT":       13134,
	"JAEGER_METRICS_PORT":      8887,
	"SAMPLER_1_OTLP_GRPC_PORT": 5317,
	"SAMPLER_1_HEALTH_PORT":    13135,
	"SAMPLER_1_METRICS_PORT":   8889,
	"SAMPLER_2_OTLP_GRPC_PORT": 5318,
	"SAMPLER_2_HEALTH_PORT":    13136,
	"SAMPLER_2_METRICS_PORT":   8890,
}

var brokerPorts = []string{"RABBITMQ_PORT", "RABBITMQ_MANAGEMENT_PORT", "RABBITMQ_DIST_PORT", "RABBITMQ_EPMD_PORT"}

// environment reads settings and collects what is wrong with them.
type environment struct {
	getenv func(string) string
	errs   []error
}

func (e *environment) errorf(format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf(format, args...))
}

func (e *environment) directory(variable, root, fallback string) string {
	dir := cmp.Or(e.getenv(variable), fallback)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	return filepath.Clean(dir)
}

// ports returns every port by its variable.
func (e *environment) ports(externalBroker, sampling bool) map[string]int {
	ports := map[string]int{}
	usedBy := map[int]string{}
	for _, variable := range slices.Sorted(maps.Keys(defaultPorts)) {
		if externalBroker && slices.Contains(brokerPorts, variable) || !sampling && strings.HasPrefix(variable, "SAMPLER_") {
			continue
		}
		port := defaultPorts[variable]
		if value := e.getenv(variable); value != "" {
			number, err := strconv.Atoi(value)
			if err != nil || number < 1 || number > 65535 {
				e.errorf("%s=%s: not a port; give a number from 1 to 65535", variable, value)
				continue
			}
			port = number
		}
		if other, taken := usedBy[port]; taken {
			e.errorf("%s and %s are both %d: give each its own port", other, variable, port)
		}
		usedBy[port] = variable
		ports[variable] = port
	}
	return ports
}

// onOff returns what the variable switches: off when it is not set.
func (e *environment) onOff(variable string) bool {
	switch value := e.getenv(variable); value {
	case "on":
		return true
	case "", "off":
	default:
		e.errorf("%s=%s: give on, or off", variable, value)
	}
	return false
}

// binary returns the executable that the variable gives, or "".
func (e *environment) binary(variable string) string {
	path := e.getenv(variable)
	if path == "" {
		return ""
	}
	if err := executable(path); err != nil {
		e.errorf("%s=%s: %w; give the path of an executable file, or unset it", variable, path, err)
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case info.Mode().Perm()&0o111 == 0:
		return errors.New("not executable")
	}
	return nil
}

// broker is where RabbitMQ is.
type broker struct {
	url      string // may hold a password: print redacted
	redacted string
	external bool // given by the user: not ours to start or to stop
}

func (e *environment) broker(variable string) broker {
	given := e.getenv(variable)
	if given == "" {
		return broker{}
	}
	// The parser's own error would print the address, password and all.
	parsed, err := url.Parse(given)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "amqp" && parsed.Scheme != "amqps") {
		e.errorf("%s is not an AMQP address (not shown, it may hold a password): give amqp://user:password@host:port/vhost, or unset it to run a private broker", variable)
		return broker{external: true}
	}
	return broker{url: given, redacted: parsed.Redacted(), external: true}
}

// host returns the address to listen on.
func (e *environment) host(variable, fallback string) string {
	host := cmp.Or(e.getenv(variable), fallback)
	if ip := net.ParseIP(host); ip == nil || ip.To4() == nil {
		e.errorf("%s=%s: not an IPv4 address; give 127.0.0.1, or 0.0.0.0 to listen on every interface", variable, host)
	}
	return host
}
