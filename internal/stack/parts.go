package stack

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"throughline/internal/probe"
)

// part is one process of the stack, or the broker that the user gives.
type part struct {
	name    string
	version string
	// needs are the parts that this one works with. It is stopped before them.
	// No part waits for another at its start: each reconnects by itself.
	needs    []string
	external bool
	optional bool // what else runs does without it

	binary string   // path of the executable
	made   *build   // makes the binary; nil when it was given
	args   []string // command line: the binary itself unless command is set
	script string   // run instead of the binary, which it finds in its environment

	installer string // script that installs the binary where it is missing; "" where it is built
	otherwise string // what a person can do instead

	check string // flag with which it looks at its configuration, and ends; "" where there is none

	ports   []string // variables of the ports that it listens on
	env     []string // all that it gets beside what process.go lets through
	files   []string // configuration: a change restarts the part
	address string   // what a person dials or opens
	ready   probe.Probe
	begun   func(context.Context) error // what follows when it is ready after a start; nil for nothing
	grace   time.Duration               // from SIGTERM to SIGKILL
}

func (p *part) command() []string {
	if p.script != "" {
		return append([]string{p.script}, p.args...)
	}
	return append([]string{p.binary}, p.args...)
}

// table returns the parts, and the builds in their order: first all that a first
// trace takes, then the console, which shows it, then the other stores.
func (s *Stack) table(env *environment) ([]*part, []*build) {
	var (
		services   = &build{name: "services", dir: s.root, always: true, usual: 45 * time.Second}
		collector  = s.collector(env)
		tempo      = s.upstream(env, "tempo", "tempo", "github.com/grafana/tempo/cmd/tempo", "tempo", "TEMPO", 3*time.Minute)
		jaeger     = s.upstream(env, "jaeger", "jaeger", "github.com/jaegertracing/jaeger/cmd/jaeger", "jaeger", "JAEGER", 4*time.Minute)
		loki       = s.upstream(env, "loki", "loki", "github.com/grafana/loki/v3/cmd/loki", "loki", "LOKI", 4*time.Minute)
		prometheus = s.upstream(env, "prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", "prometheus", "PROMETHEUS", 2*time.Minute, prometheusTags)
		minio      = s.upstream(env, "minio", "minio", "github.com/minio/minio", "minio", "MINIO", 5*time.Minute)
		promtool   = s.upstream(env, "promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool", "promtool", "PROMTOOL", 30*time.Second, prometheusTags)
	)
	s.programs = []binary{jaeger, tempo, loki, prometheus, minio, promtool}
	env.checkTenant()

	// What every service gets; the second half is the user's to set.
	telemetry := append([]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + s.at("COLLECTOR_OTLP_GRPC_PORT"),
		"OTEL_BSP_SCHEDULE_DELAY=" + cmp.Or(env.getenv("OTEL_BSP_SCHEDULE_DELAY"), "200"), // ms; the default of 5 s makes a person wait
		"OTEL_BLRP_SCHEDULE_DELAY=" + cmp.Or(env.getenv("OTEL_BLRP_SCHEDULE_DELAY"), "200"),
		"OTEL_GO_X_OBSERVABILITY=true", // the SDK counts what it sends and what it loses
	}, env.given("CPU_THRESHOLD", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_PROPAGATORS", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_RESOURCE_ATTRIBUTES",
		"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BLRP_MAX_QUEUE_SIZE")...)

	service := func(name, variable string, p part) *part {
		p.name = name
		p.version = "source"
		p.args = []string{"-f", filepath.Join("services", name, "etc", name+".yaml")}
		p.files = []string{p.args[1]}
		p.env = append(p.env, telemetry...)
		p.grace = 20 * time.Second
		p.check = "-check"
		if p.binary = env.binary(variable); p.binary == "" {
			p.binary = filepath.Join(s.buildDir, "bin", name)
			p.made = services
			services.packages = append(services.packages, "./services/"+name)
			services.makes = append(services.makes, p.binary)
		} else {
			p.version = "given"
		}
		return &p
	}

	management := append(env.given(managementPassword), "RABBITMQ_MANAGEMENT_ENDPOINT="+s.Endpoints().RabbitMQManagement)
	if s.broker.external {
		management = env.given("RABBITMQ_MANAGEMENT_ENDPOINT", "RABBITMQ_MANAGEMENT_USER", managementPassword)
	}
	rules, err := filepath.Glob(filepath.Join(s.root, "prometheus", "rules", "*.yml"))
	if err != nil {
		env.errorf("prometheus/rules: %w", err)
	}

	nodes := brokerNodes[:s.broker.nodes]
	parts := slices.Concat([]*part{
		service("login-api", "LOGIN_API_BIN", part{
			needs: append([]string{"user-rpc", "otel-collector"}, nodes...),
			ports: []string{"LOGIN_API_PORT"},
			env: append([]string{
				"USER_RPC_TARGET=" + s.at("USER_RPC_PORT"),
				"RABBITMQ_URL=" + s.brokerURLs("login-api"),
				// Loads come from this machine.
				"LOGIN_API_UNLIMITED_CALLERS=" + cmp.Or(env.getenv("LOGIN_API_UNLIMITED_CALLERS"), "127.0.0.0/8"),
			}, env.given("LOGIN_API_ACCESS_SECRET", "LOGIN_API_TRUSTED_CALLERS", "LOGIN_API_ADDRESS_LIMIT")...),
			address: "http://" + s.at("LOGIN_API_PORT"),
			ready:   probe.HTTP("http://" + s.at("LOGIN_API_PORT") + "/healthz"),
		}),
		service("user-rpc", "USER_RPC_BIN", part{
			needs:   []string{"otel-collector"},
			ports:   []string{"USER_RPC_PORT"},
			env:     []string{"USER_DB=" + filepath.Join(s.dataDir("user-rpc"), "users.db")},
			address: s.at("USER_RPC_PORT"),
			ready:   probe.GRPC(s.at("USER_RPC_PORT")),
		}),
		service("audit-mq", "AUDIT_MQ_BIN", part{
			needs: append([]string{"otel-collector"}, nodes...),
			ports: []string{"AUDIT_MQ_PORT"},
			env: append([]string{
				"AUDIT_DB=" + filepath.Join(s.dataDir("audit-mq"), "audit.db"),
				"RABBITMQ_URL=" + s.brokerURLs("audit-mq"),
			}, env.given("AUDIT_MQ_DELAY", "AUDIT_MQ_FAILURE_RATIO", "AUDIT_RETENTION")...),
			address: "http://" + s.at("AUDIT_MQ_PORT"),
			ready:   probe.HTTP("http://" + s.at("AUDIT_MQ_PORT") + "/healthz"),
		}),
	}, s.brokerParts(env), []*part{
		{
			name:    "otel-collector",
			version: collector.version,
			needs:   []string{"tempo", "jaeger", "loki", "prometheus"},
			binary:  collector.binary,
			made:    collector.build,
			args:    []string{"--config", "otel-collector/config.yaml"},
			ports: []string{"COLLECTOR_OTLP_GRPC_PORT", "COLLECTOR_OTLP_HTTP_PORT", "COLLECTOR_ZIPKIN_PORT",
				"COLLECTOR_HEALTH_PORT", "COLLECTOR_METRICS_PORT"},
			env: append([]string{
				collectorGC, collectorMemory,
				"JAEGER_OTLP_ENDPOINT=" + s.at("JAEGER_OTLP_HTTP_PORT"),
				"TEMPO_OTLP_ENDPOINT=" + s.at("TEMPO_OTLP_HTTP_PORT"),
				"LOKI_OTLP_ENDPOINT=" + s.at("LOKI_PORT"),
				"PROMETHEUS_OTLP_ENDPOINT=" + s.at("PROMETHEUS_PORT"),
				"COLLECTOR_QUEUE_DIR=" + s.dataDir("otel-collector"),
			}, append(management, env.given("TENANT")...)...),
			files:   []string{"otel-collector/config.yaml"},
			address: s.at("COLLECTOR_OTLP_GRPC_PORT") + " (OTLP)",
			ready:   probe.HTTP("http://" + s.at("COLLECTOR_HEALTH_PORT") + "/"),
			grace:   20 * time.Second,
		},
		{
			name:    "tempo",
			version: tempo.version,
			binary:  tempo.binary,
			made:    tempo.build,
			args:    []string{"-config.file=tempo/config.yaml", "-config.expand-env=true"},
			ports:   []string{"TEMPO_PORT", "TEMPO_GRPC_PORT", "TEMPO_OTLP_HTTP_PORT"},
			env: append([]string{
				"TEMPO_DATA_DIR=" + s.dataDir("tempo"),
				"GOMEMLIMIT=700MiB", // with less it often collects garbage while it finishes a block
			}, env.tenants("TEMPO_TENANT_LIMITS")...),
			files:   []string{"tempo/config.yaml"},
			address: "http://" + s.at("TEMPO_PORT"),
			ready:   probe.HTTP("http://" + s.at("TEMPO_PORT") + "/ready"),
			// After a query it waits for ever for its query queue; what it was given is on disk by then.
			grace: 2 * time.Second,
		},
		{
			name:    "jaeger",
			version: jaeger.version,
			binary:  jaeger.binary,
			made:    jaeger.build,
			args:    []string{"--config", "jaeger/config.yaml"},
			ports: []string{"JAEGER_QUERY_PORT", "JAEGER_QUERY_GRPC_PORT", "JAEGER_OTLP_HTTP_PORT",
				"JAEGER_HEALTH_PORT", "JAEGER_METRICS_PORT"},
			env: []string{
				"JAEGER_DATA_DIR=" + s.dataDir("jaeger"),
				"OTEL_TRACES_SAMPLER=always_off", // or it traces itself
			},
			files:   []string{"jaeger/config.yaml"},
			address: "http://" + s.at("JAEGER_QUERY_PORT"),
			ready:   probe.HTTP("http://" + s.at("JAEGER_HEALTH_PORT") + "/status"),
			grace:   20 * time.Second,
		},
		{
			name:    "loki",
			version: loki.version,
			binary:  loki.binary,
			made:    loki.build,
			args:    []string{"-config.file=loki/config.yaml", "-config.expand-env=true"},
			ports:   []string{"LOKI_PORT", "LOKI_GRPC_PORT"},
			env:     append([]string{"LOKI_DATA_DIR=" + s.dataDir("loki"), "GOMEMLIMIT=160MiB"}, env.tenants("LOKI_TENANT_LIMITS")...),
			files:   []string{"loki/config.yaml"},
			address: "http://" + s.at("LOKI_PORT"),
			ready:   probe.HTTP("http://" + s.at("LOKI_PORT") + "/ready"),
			grace:   10 * time.Second,
		},
		{
			name:    "prometheus",
			version: prometheus.version,
			binary:  prometheus.binary,
			made:    prometheus.build,
			args: []string{
				"--config.file=prometheus/prometheus.yml",
				"--storage.tsdb.path=" + s.dataDir("prometheus"),
				"--web.listen-address=" + s.listen("PROMETHEUS_PORT"),
				"--web.enable-otlp-receiver",
				"--enable-feature=exemplar-storage,created-timestamp-zero-ingestion,otlp-deltatocumulative",
			},
			ports:   []string{"PROMETHEUS_PORT"},
			env:     []string{"GOMEMLIMIT=160MiB"},
			files:   append([]string{"prometheus/prometheus.yml"}, rules...),
			address: "http://" + s.at("PROMETHEUS_PORT"),
			ready:   probe.HTTP("http://" + s.at("PROMETHEUS_PORT") + "/-/ready"),
			grace:   20 * time.Second,
		},
	})
	if s.sampling {
		parts = s.twoTiers(env, parts, collector)
	}
	grafana := s.grafana(env)
	console := s.console(env, grafana)
	parts = append([]*part{console}, parts...)
	if grafana != nil {
		parts = append([]*part{grafana}, parts...)
	}
	if p := s.supervisorPart(env, parts); p != nil {
		parts = append([]*part{p}, parts...)
	}
	for _, p := range parts {
		p.env = append(append(p.env, "BIND_HOST="+s.bindHost), s.portEnv(p.ports...)...)
	}

	var builds []*build
	for _, b := range []*build{services, collector.build, tempo.build, console.made, jaeger.build, loki.build, prometheus.build} {
		if b != nil && len(b.makes) > 0 {
			builds = append(builds, b)
		}
	}
	return parts, builds
}

// prometheusTags leave out the service discoveries: nothing is scraped here.
const prometheusTags = "-tags=netgo,remove_all_sd"

// The collector allocates much for each span and keeps little: to collect garbage
// a quarter as often costs less CPU, and memory up to where its memory_limiter
// would begin to refuse (160 MiB).
const (
	collectorGC     = "GOGC=400"
	collectorMemory = "GOMEMLIMIT=144MiB"
)

// traceable are the parts that together can show a trace.
var traceable = []string{"login-api", "user-rpc", "audit-mq", "rabbitmq", "otel-collector", "tempo"}

// binary is a versioned executable that is given, or built from its module.
type binary struct {
	name            string
	binary, version string
	build           *build // nil when it was given
}

// upstream describes the binary that the Go module in dir, a pinned upstream program, builds.
func (s *Stack) upstream(env *environment, name, dir, pkg, binaryName, variable string, usual time.Duration, flags ...string) binary {
	if given := env.binary(variable + "_BIN"); given != "" {
		return binary{name: name, binary: given, version: "given"}
	}
	version := s.versions[variable+"_VERSION"]
	if version == "" {
		env.errorf("versions.env: %s_VERSION is missing", variable)
	}
	path := filepath.Join(s.buildDir, "bin", binaryName+"-"+version)
	return binary{name: name, binary: path, version: version, build: &build{
		name:     name,
		dir:      filepath.Join(s.root, dir),
		packages: []string{pkg},
		makes:    []string{path},
		flags:    flags,
		usual:    usual,
	}}
}

func (s *Stack) portEnv(variables ...string) []string {
	var env []string
	for _, v := range variables {
		env = append(env, v+"="+strconv.Itoa(s.ports[v]))
	}
	return env
}

// given returns those of the variables that the user has set.
func (e *environment) given(variables ...string) []string {
	var env []string
	for _, v := range variables {
		if value := e.getenv(v); value != "" {
			env = append(env, v+"="+value)
		}
	}
	return env
}
