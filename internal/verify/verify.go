// Package verify holds the acceptance checks of a running stack. They look at
// it from the outside only: they log in, publish, and read what the trace
// stores and the audit trail then hold.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fatih/color"

	"throughline/internal/backend"
	"throughline/internal/dashboards"
	"throughline/internal/flow"
	"throughline/internal/terminal"
)

// Target holds the addresses of the stack to check.
type Target struct {
	LoginURL      string // login-api, for example http://127.0.0.1:8080
	AuditURL      string // audit-mq
	JaegerURL     string // Jaeger's query API
	TempoURL      string // Tempo's HTTP API
	RabbitMQURL   string // amqp://user:password@host:port/
	LokiURL       string // Loki's HTTP API
	PrometheusURL string // Prometheus' HTTP API
	OTLPGRPC      string // the collector's OTLP/gRPC receiver, host:port
	OTLPHTTP      string // the collector's OTLP/HTTP receiver, http://host:port
	Grafana       string // directory of the dashboards and the data sources
	CollectorURL  string // the collector's own metrics, http://host:port/metrics
	ZipkinURL     string // the collector's Zipkin receiver, http://host:port/api/v2/spans
	ConsoleURL    string // the console
}

// RunFlow reads a flow's file and runs it; see [flow.Run].
func (t Target) RunFlow(ctx context.Context, path string) (flow.Result, error) {
	f, err := flow.Load(path, map[string]string{"LOGIN_API_URL": t.LoginURL, "AUDIT_MQ_URL": t.AuditURL})
	if err != nil {
		return flow.Result{}, err
	}
	return flow.Run(ctx, flow.Target{
		Stores:      map[string]backend.TraceSearcher{"jaeger": backend.NewJaeger(t.JaegerURL), "tempo": backend.NewTempo(t.TempoURL)},
		Loki:        backend.NewLoki(t.LokiURL),
		Prometheus:  backend.NewPrometheus(t.PrometheusURL),
		RabbitMQURL: t.RabbitMQURL,
		OTLPGRPC:    t.OTLPGRPC,
		ConsoleURL:  t.ConsoleURL,
	}, f), nil
}

func (t Target) stores() []backend.TraceStore {
	return []backend.TraceStore{backend.NewJaeger(t.JaegerURL), backend.NewTempo(t.TempoURL)}
}

// Options say how to check. The zero value is what `throughline verify` does.
type Options struct {
	// Logins is how many logins to trace; zero means 50.
	Logins int
	// TraceTimeout bounds the wait for each trace to be complete in both
	// stores, and for its logs; metrics get twice that. Zero means 30 s.
	TraceTimeout time.Duration
	// ProbeCommand starts the go-zero probe (see RunProbe); the probe's flags
	// are appended. Empty means this executable with the argument gozero-probe.
	ProbeCommand []string
	// Progress gets a line as each check ends; nil means nowhere.
	Progress io.Writer
}

// Check is the outcome of one acceptance check.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Detail says what was found, and for a failed check what was expected and
	// where to look.
	Detail string `json:"detail"`
	// Value is the check's figure, in Unit.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Result is the outcome of all checks.
type Result struct {
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}

// run is what the checks of one run share.
type run struct {
	target   Target
	options  Options
	stores   []backend.TraceStore
	loki     *backend.Loki
	backends dashboards.Backends
	logins   []tracedLogin
	// probes are the traces that other checks made.
	probes []backend.Trace
}

// Run performs all checks, one after the other, each within a time of its own.
// What cannot be checked counts as failed. When ctx ends, the rest is left out
// and the result is not OK.
func Run(ctx context.Context, target Target, options Options) Result {
	if options.Logins == 0 {
		options.Logins = 50
	}
	if options.TraceTimeout == 0 {
		options.TraceTimeout = 30 * time.Second
	}
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	r := &run{target: target, options: options, stores: target.stores(), loki: backend.NewLoki(target.LokiURL)}
	r.backends = dashboards.Backends{
		Prometheus: backend.NewPrometheus(target.PrometheusURL),
		Loki:       r.loki,
		Tempo:      backend.NewTempo(target.TempoURL),
		Jaeger:     backend.NewJaeger(target.JaegerURL),
	}
	type check struct {
		name    string
		timeout time.Duration
		do      func(context.Context) Check
	}
	checks := []check{
		{"logins", loginPace*time.Duration(options.Logins) + options.TraceTimeout + 30*time.Second, r.checkLogins},
		{"expected tree", time.Minute, r.checkTree},
		{"parity", time.Minute, r.checkParity},
		{"freshness", time.Minute, r.checkFreshness},
		{"stored once", time.Minute, r.checkStoredOnce},
		{"both carriers", time.Minute, r.checkCarriers},
	}
	for _, batcher := range []string{"otlpgrpc", "otlphttp", "zipkin"} {
		checks = append(checks, check{"go-zero exporter " + batcher, time.Minute, func(ctx context.Context) Check {
			return r.checkGoZeroExporter(ctx, batcher)
		}})
	}
	checks = append(checks,
		check{"logs of each login", options.TraceTimeout, r.withBackends(r.checkLoginLogs)},
		check{"log records", options.TraceTimeout, r.withBackends(r.checkLogRecords)},
		check{"links", 2 * options.TraceTimeout, r.withBackends(r.checkLinks)},
		check{"panels", 2 * options.TraceTimeout, r.withBackends(r.checkPanels)},
		check{"alerts", options.TraceTimeout, r.withBackends(r.checkAlerts)},
		check{"queues", options.TraceTimeout, r.checkQueues},
	)
	// Last, because it looks at the traces of all the others.
	checks = append(checks, check{"no mobile number", time.Minute, r.checkNoMobileNumber})

	result := Result{OK: true}
	for _, c := range checks {
		if ctx.Err() != nil {
			result.OK = false
			break
		}
		started := time.Now()
		checkCtx, cancel := context.WithTimeout(ctx, c.timeout)
		outcome := c.do(checkCtx)
		cancel()
		outcome.Name = c.name
		result.OK = result.OK && outcome.OK
		result.Checks = append(result.Checks, outcome)
		printCheck(options.Progress, outcome, time.Since(started))
	}
	return result
}

// withBackends fails a check at once when it has nobody to ask.
func (r *run) withBackends(do func(context.Context) Check) func(context.Context) Check {
	return func(ctx context.Context) Check {
		if _, err := r.loki.Lines(ctx, `{service_name="login-api"}`, backend.Last(time.Minute), 1); err != nil {
			return failed("%v", err)
		}
		if _, err := r.backends.Prometheus.Rules(ctx); err != nil {
			return failed("%v", err)
		}
		return do(ctx)
	}
}

func printCheck(w io.Writer, c Check, took time.Duration) {
	mark := terminal.Color(w, color.FgGreen).Sprint("✓")
	if !c.OK {
		mark = terminal.Color(w, color.FgRed).Sprint("✗")
	}
	_, _ = fmt.Fprintf(w, "%s %-25s %s  (%.1f s)\n", mark, c.Name, c.Detail, took.Seconds())
}

func failed(format string, args ...any) Check {
	return Check{Detail: fmt.Sprintf(format, args...)}
}

// errNoTrace is the outcome of the checks that have nothing to look at.
var errNoTrace = errors.New("no complete trace to look at; see the check logins")
