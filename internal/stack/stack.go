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

	parts  []*part // users before what they use, as they stop
	builds []*build

	readyTimeout time.Duration

	mu       sync.Mutex
	children map[string]*child // started by this process, by part
}

// Endpoints are the addresses at which the parts are reached from this machine.
type Endpoints struct {
	LoginAPI           string // URL
	AuditMQ            string // URL
	UserRPC            string // host:port, gRPC
	RabbitMQ           string // AMQP URL; it may hold a password
	RabbitMQManagement string // URL; empty when the broker is external
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
	env := &environment{getenv: getenv}
	s := &Stack{
		root:         root,
		runDir:       env.directory("THROUGHLINE_RUN_DIR", root, ".run"),
		buildDir:     env.directory("THROUGHLINE_BUILD_DIR", root, ".build"),
		getenv:       getenv,
		bindHost:     env.host("BIND_HOST", "127.0.0.1"),
		ports:        map[string]int{},
		versions:     versions,
		readyTimeout: time.Minute,
		children:     map[string]*child{},
	}
	s.broker = env.broker("RABBITMQ_URL")
	s.sampling = env.onOff("TAIL_SAMPLING")
	s.ports = env.ports(s.broker.external, s.sampling)
	if !s.broker.external {
		s.broker.url = fmt.Sprintf("amqp://guest:guest@%s/", s.at("RABBITMQ_PORT"))
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
		RabbitMQ:         s.broker.url,
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

// JaegerOTLP is the address, host:port, at which Jaeger takes OTLP over HTTP from
// the collector. Compose does not publish it.
func (s *Stack) JaegerOTLP() string { return s.at("JAEGER_OTLP_HTTP_PORT") }

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
	for _, p := range s.parts {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no part %q", name)
}

func (s *Stack) dataDir(part string) string { return filepath.Join(s.runDir, "data", part) }
func (s *Stack) logFile(name string) string { return filepath.Join(s.runDir, "logs", name+".log") }
func (s *Stack) pidFile(name string) string { return filepath.Join(s.runDir, "pids", name+".json") }

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
			return "", fmt.Errorf("THROUGHLINE_ROOT=%s: there is no go.mod of the module throughline; set it to the source tree", root)
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

func isRoot(dir string) bool {
	file, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name) == "throughline"
		}
	}
	return false
}
