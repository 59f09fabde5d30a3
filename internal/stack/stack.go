// Package stack runs the parts of Throughline natively: it builds what is
// missing, starts each part, watches until it is healthy, and stops it.
//
// The parts outlive the process that starts them. What is known about a running
// part lies in its pid file, so that any later process can look after it.
package stack

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/joho/godotenv"
)

// Stack is one set of parts, which share a run directory and a set of ports.
// Its methods can be used from several goroutines.
type Stack struct {
	root     string // of the source tree
	runDir   string // logs/, pids/ and data/ lie in it
	buildDir string // binaries; stacks may share it

	getenv   func(string) string
	bindHost string
	ports    map[string]int    // by the variable that moves the port
	versions map[string]string // from versions.env
	broker   broker
	sampling bool // two tiers: see sampling.go
	// diskReserve is how much of the disk telemetry leaves free, in bytes.
	diskReserve uint64

	parts  []*part // users before what they use, as they stop
	builds []*build
	// What the evaluation and the tests run beside the parts, and up does not build:
	// see program.go.
	programs []binary

	readyTimeout time.Duration

	mu       sync.Mutex
	children map[string]*child // started by this process, by part
}

// Endpoints are the addresses at which the parts are reached from this machine.
type Endpoints struct {
	LoginAPI           string // URL
	AuditMQ            string // URL
	UserRPC            string // host:port, gRPC
	RabbitMQ           string // AMQP URLs of the broker's nodes for its owner, with passwords, and commas between them
	RabbitMQManagement string // URL, of the first node; empty when the broker is external
	OTLPGRPC           string // host:port of the collector
	OTLPHTTP           string // URL of the collector
	Zipkin             string // URL of the collector, with its path
	CollectorMetrics   string // URL, in Prometheus format
	Jaeger             string // URL of the query API
	Tempo              string // URL
	Loki               string // URL
	Prometheus         string // URL
	Grafana            string // URL; empty when none is installed
	Console            string // URL
}

// New reads the configuration from the environment variables that getenv serves
// and from versions.env in root. With an empty root the source tree is looked for
// in THROUGHLINE_ROOT and from the working directory upwards. The error names
// everything that is wrong, not just the first.
func New(root string, getenv func(string) string) (*Stack, error) {
	if root == "" {
		found, err := findRoot(getenv)
		if err != nil {
			return nil, err
		}
		root = found
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	versions, err := godotenv.Read(filepath.Join(root, "versions.env"))
	if err != nil {
		return nil, fmt.Errorf("versions.env: %w", err)
	}
	env := newEnvironment(getenv)
	s := &Stack{
		root:         root,
		runDir:       env.directory("THROUGHLINE_RUN_DIR", root, ".run"),
		buildDir:     env.directory("THROUGHLINE_BUILD_DIR", root, ".build"),
		getenv:       getenv,
		bindHost:     env.host("BIND_HOST", "127.0.0.1"),
		ports:        map[string]int{},
		versions:     versions,
		readyTimeout: readyTimeout,
		children:     map[string]*child{},
	}
	s.broker = env.broker("RABBITMQ_URL", "RABBITMQ_NODES")
	s.sampling = env.onOff("TAIL_SAMPLING", false)
	s.diskReserve = env.bytes("DISK_RESERVE", "1GB")
	s.ports = env.ports(s.unusedPorts())
	if !s.broker.external {
		s.broker.passwords = env.brokerPasswords()
	}
	s.parts, s.builds = s.table(env)
	if err := errors.Join(env.errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Root is the source tree, where the configuration of the parts lies.
func (s *Stack) Root() string { return s.root }

// BuildDir is where the binaries lie, and what else is built or installed once.
func (s *Stack) BuildDir() string { return s.buildDir }

// RunDir is where the logs, pid files and data of the parts lie.
func (s *Stack) RunDir() string { return s.runDir }

// Endpoints returns where the parts are, running or not.
func (s *Stack) Endpoints() Endpoints {
	e := Endpoints{
		LoginAPI:         "http://" + s.at("LOGIN_API_PORT"),
		AuditMQ:          "http://" + s.at("AUDIT_MQ_PORT"),
		UserRPC:          s.at("USER_RPC_PORT"),
		RabbitMQ:         s.brokerURLs(brokerOwner),
		OTLPGRPC:         s.at("COLLECTOR_OTLP_GRPC_PORT"),
		OTLPHTTP:         "http://" + s.at("COLLECTOR_OTLP_HTTP_PORT"),
		Zipkin:           "http://" + s.at("COLLECTOR_ZIPKIN_PORT") + "/api/v2/spans",
		CollectorMetrics: "http://" + s.at("COLLECTOR_METRICS_PORT") + "/metrics",
		Jaeger:           "http://" + s.at("JAEGER_QUERY_PORT"),
		Tempo:            "http://" + s.at("TEMPO_PORT"),
		Loki:             "http://" + s.at("LOKI_PORT"),
		Prometheus:       "http://" + s.at("PROMETHEUS_PORT"),
		Console:          "http://" + s.at("CONSOLE_PORT"),
	}
	if !s.broker.external {
		e.RabbitMQManagement = "http://" + s.at("RABBITMQ_MANAGEMENT_PORT")
	}
	if _, err := s.part("grafana"); err == nil {
		e.Grafana = "http://" + s.at("GRAFANA_PORT")
	}
	return e
}

// readyTimeout is how long a part may take from its start until it is healthy.
const readyTimeout = time.Minute

// OwnParts names the parts that are started and stopped here and without which there
// is no stack.
func (s *Stack) OwnParts() []string {
	var names []string
	for _, p := range s.required() {
		if !p.external {
			names = append(names, p.name)
		}
	}
	return names
}

// JaegerOTLP is the address, host:port, at which Jaeger takes OTLP over HTTP from
// the collector. Compose does not publish it.
func (s *Stack) JaegerOTLP() string { return s.at("JAEGER_OTLP_HTTP_PORT") }

// JaegerMetrics is the URL of Jaeger's own metrics. Compose does not publish it.
func (s *Stack) JaegerMetrics() string { return "http://" + s.at("JAEGER_METRICS_PORT") + "/metrics" }

// unusedPorts are how the variables of ports begin that no part of the stack has.
func (s *Stack) unusedPorts() (unused []string) {
	if !s.sampling {
		unused = append(unused, "SAMPLER_")
	}
	if s.broker.external {
		return append(unused, "RABBITMQ_")
	}
	for _, name := range brokerNodes[s.broker.nodes:] {
		unused = append(unused, variableOf(name)+"_")
	}
	return unused
}

// listen returns the address, host:port, at which a part listens.
func (s *Stack) listen(variable string) string {
	return net.JoinHostPort(s.bindHost, strconv.Itoa(s.ports[variable]))
}

// at returns the address, host:port, at which a client on this machine finds
// the port that the variable moves.
func (s *Stack) at(variable string) string {
	host := s.bindHost
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(s.ports[variable]))
}

func (s *Stack) part(name string) (*part, error) {
	var names []string
	for _, p := range s.parts {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return nil, fmt.Errorf("there is no part %q: give one of %s", name, strings.Join(names, ", "))
}

func (s *Stack) dataDir(part string) string {
	if slices.Contains(brokerNodes, part) {
		part = brokerNodes[0] // each node has a directory of its own in it
	}
	return filepath.Join(s.runDir, "data", part)
}

func (s *Stack) logFile(name string) string { return filepath.Join(s.runDir, "logs", name+".log") }
func (s *Stack) pidFile(name string) string { return filepath.Join(s.runDir, "pids", name+".json") }

// markerFile tells that data and logs beside it are of a stack.
func (s *Stack) markerFile() string { return filepath.Join(s.runDir, ".throughline") }

// display shortens a path for a person who stands in the source tree.
func (s *Stack) display(path string) string {
	if short, err := filepath.Rel(s.root, path); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}

func findRoot(getenv func(string) string) (string, error) {
	if root := getenv("THROUGHLINE_ROOT"); root != "" {
		if !isRoot(root) {
			return "", fmt.Errorf("THROUGHLINE_ROOT=%s: there is no go.mod of the module %s; set it to the source tree", root, module())
		}
		return root, nil
	}
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if isRoot(dir) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside the source tree of throughline: change into it, or set THROUGHLINE_ROOT", start)
		}
	}
}

// module is the path of the module, which may have been renamed.
func module() string {
	return strings.TrimSuffix(reflect.TypeFor[Stack]().PkgPath(), "/internal/stack")
}

func isRoot(dir string) bool {
	file, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name) == module()
		}
	}
	return false
}
