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
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"throughline/internal/rabbitmq"
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
	"LOKI_PORT":                10080, // this port, and Tempo's, browsers refuse to open: docs/decisions/0009
	"LOKI_GRPC_PORT":           9096,
	"PROMETHEUS_PORT":          9090,
	"GRAFANA_PORT":             3000,
	"CONSOLE_PORT":             3300,
	"TEMPO_PORT":               6566,
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

	"RABBITMQ_2_PORT":            5673,
	"RABBITMQ_2_MANAGEMENT_PORT": 15673,
	"RABBITMQ_2_DIST_PORT":       25673,
	"RABBITMQ_3_PORT":            5674,
	"RABBITMQ_3_MANAGEMENT_PORT": 15674,
	"RABBITMQ_3_DIST_PORT":       25674,
}

// environment reads settings and collects what is wrong with them.
type environment struct {
	getenv func(string) string
	set    map[string]string // the variables that were asked for and have a value
	errs   []error
}

func newEnvironment(getenv func(string) string) *environment {
	e := &environment{set: map[string]string{}}
	e.getenv = func(name string) string {
		value := getenv(name)
		if value != "" {
			e.set[name] = value
		}
		return value
	}
	return e
}

// all returns every variable that has been read and has a value, NAME=value: with
// them another process makes the same stack.
func (e *environment) all() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		env = append(env, name+"="+e.set[name])
	}
	return env
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

// ports returns every port by its variable, but for variables that begin as one of unused.
func (e *environment) ports(unused []string) map[string]int {
	ports := map[string]int{}
	usedBy := map[int]string{}
	for _, variable := range slices.Sorted(maps.Keys(defaultPorts)) {
		if slices.ContainsFunc(unused, func(prefix string) bool { return strings.HasPrefix(variable, prefix) }) {
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

// onOff returns what the variable switches: fallback when it is not set.
func (e *environment) onOff(variable string, fallback bool) bool {
	value := e.getenv(variable)
	if value == "" {
		return fallback
	}
	if value != "on" && value != "off" {
		e.errorf("%s=%s: give on, or off", variable, value)
	}
	return value == "on"
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

// throughline is the program throughline, which parts run.
func (e *environment) throughline() string {
	if given := e.binary("THROUGHLINE_BIN"); given != "" {
		return given
	}
	self, err := os.Executable()
	if err != nil {
		e.errorf("%w: set THROUGHLINE_BIN to the program throughline", err)
	}
	return self
}

// bytes returns a size such as 1GB.
func (e *environment) bytes(variable, fallback string) uint64 {
	value := cmp.Or(e.getenv(variable), fallback)
	size, err := units.FromHumanSize(value)
	if err != nil || size < 0 {
		e.errorf("%s=%s: not a size; give one such as 500MB or 2GB, or 0 for none", variable, value)
		return 0
	}
	return uint64(size)
}

// tenants is what a store that knows tenants gets, once TENANT names the one whose
// telemetry this stack sends and shows: limits is the variable of a file with limits
// for each.
func (e *environment) tenants(limits string) []string {
	if e.getenv("TENANT") == "" {
		return nil
	}
	return append([]string{"MULTITENANCY_ENABLED=true"}, e.given(limits)...)
}

var tenantPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{0,150}$`)

func (e *environment) checkTenant() {
	if tenant := e.getenv("TENANT"); !tenantPattern.MatchString(tenant) {
		e.errorf("TENANT=%s: not a name of a tenant; give letters, digits, - and _, 150 at most", tenant)
	}
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
	urls      string            // those that the user gives, with commas between them; may hold passwords: print redacted
	external  bool              // given by the user: not ours to start or to stop
	nodes     int               // of ours
	passwords map[string]string // of its users
}

// brokerOwner is the user of whoever works with the private node.
const brokerOwner = "throughline"

// brokerUsers are the users of the private node, of rabbitmq/definitions.sh, and
// the variables of their passwords. Without one, it is the user's name.
var brokerUsers = map[string]string{
	brokerOwner:  "RABBITMQ_OWNER_PASSWORD",
	"login-api":  "RABBITMQ_LOGIN_API_PASSWORD",
	"audit-mq":   "RABBITMQ_AUDIT_MQ_PASSWORD",
	"monitoring": managementPassword,
}

const managementPassword = "RABBITMQ_MANAGEMENT_PASSWORD"

var passwordPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)

func (e *environment) brokerPasswords() map[string]string {
	passwords := map[string]string{}
	for user, variable := range brokerUsers {
		if passwords[user] = cmp.Or(e.getenv(variable), user); !passwordPattern.MatchString(passwords[user]) {
			e.errorf("%s (not shown) has another character than letters, digits, . _ ~ and -: take it out", variable)
		}
	}
	return passwords
}

// brokerURLs are the addresses of the broker for one of its users, with commas between
// them. A broker of the user's has one user for all.
func (s *Stack) brokerURLs(user string) string {
	if s.broker.external {
		return s.broker.urls
	}
	var urls []string
	for _, node := range brokerNodes[:s.broker.nodes] {
		urls = append(urls, s.nodeURL(node, user))
	}
	return strings.Join(urls, ",")
}

func (e *environment) broker(urls, nodes string) broker {
	b := broker{urls: e.getenv(urls), nodes: 1}
	b.external = b.urls != ""
	switch value := e.getenv(nodes); {
	case value == "3" && b.external:
		e.errorf("%s=3 and %s: the nodes of a broker of yours are not run from here; unset one of the two", nodes, urls)
	case value == "3":
		b.nodes = 3
	case value != "" && value != "1":
		e.errorf("%s=%s: give 1, or 3, of which one can be lost", nodes, value)
	}
	if !b.external {
		return b
	}
	for _, address := range rabbitmq.Addresses(b.urls) {
		// The parser's own error would print the address, password and all.
		parsed, err := url.Parse(address)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "amqp" && parsed.Scheme != "amqps") {
			e.errorf("%s is not an AMQP address (not shown, it may hold a password): give amqp://user:password@host:port/vhost, several with commas between them, or unset it to run a private broker", urls)
			break
		}
	}
	return b
}

// exposeVariable is the word that lets the parts listen for other machines.
const exposeVariable = "EXPOSE_UNPROTECTED"

// host returns the address to listen on.
func (e *environment) host(variable, fallback string) string {
	host := cmp.Or(e.getenv(variable), fallback)
	if ip := net.ParseIP(host); ip == nil || ip.To4() == nil {
		e.errorf("%s=%s: not an IPv4 address; give 127.0.0.1, or 0.0.0.0 to listen on every interface", variable, host)
	} else if !ip.IsLoopback() && e.getenv(exposeVariable) != "yes" {
		e.errorf("%s=%s: whoever reaches this address could read and delete all traces, logs and metrics, and stop the stores, as nothing here asks for a password but RabbitMQ; "+
			"set %s=yes as well if only people whom you trust reach it (docs/security.md)", variable, host, exposeVariable)
	}
	return host
}
