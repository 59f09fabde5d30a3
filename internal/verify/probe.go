package verify

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/proc"
	"github.com/zeromicro/go-zero/rest"
)

// Whoever links go-zero gets a log of its CPU use, and a death by its own hand
// some seconds after a signal, however busy it is with stopping in good order.
// That is for services; RunProbe, which is one, sets both again.
func init() {
	logx.DisableStat()
	logx.SetLevel(logx.SevereLevel)
	proc.SetTimeToForceQuit(math.MaxInt64)
}

const probePath = "/v1/probe"

// ProbeConfig configures RunProbe.
type ProbeConfig struct {
	Batcher  string // go-zero's name of an exporter: otlpgrpc, otlphttp or zipkin
	Endpoint string // in the form that the exporter wants
	Port     int    // to serve on, on 127.0.0.1
}

// RunProbe runs a go-zero REST service that is traced by go-zero's Telemetry
// block and nothing else, until stdin ends: a probe must not outlive the one
// who started it. go-zero sets tracing up once in a process, hence each probe
// needs a process of its own.
func RunProbe(config ProbeConfig, stdin io.Reader) error {
	yaml := fmt.Sprintf(`
Name: %s
Host: 127.0.0.1
Port: %d
Log: {Level: error, Stat: false}
Shutdown: {WrapUpTime: 100ms}
Telemetry:
  Name: %[1]s
  Endpoint: %[3]s
  Batcher: %[4]s
`, probeService(config.Batcher), config.Port, config.Endpoint, config.Batcher)
	var restConf rest.RestConf
	if err := conf.LoadFromYamlBytes([]byte(yaml), &restConf); err != nil {
		return fmt.Errorf("configuration of the go-zero probe: %w", err)
	}
	server, err := rest.NewServer(restConf)
	if err != nil {
		return fmt.Errorf("go-zero probe: %w", err)
	}
	server.AddRoute(rest.Route{Method: http.MethodGet, Path: probePath, Handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	}})
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		// go-zero's own way to stop, which exports what is still in the batch.
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	server.Start()
	return nil
}

func probeService(batcher string) string { return "gozero-" + batcher }

// endpointFor returns the collector's address in the form that go-zero's
// exporter wants.
func (t Target) endpointFor(batcher string) string {
	switch batcher {
	case "otlpgrpc":
		return t.OTLPGRPC
	case "otlphttp":
		return strings.TrimPrefix(t.OTLPHTTP, "http://")
	default:
		return t.ZipkinURL
	}
}
