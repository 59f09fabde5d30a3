package verify

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
)

// TestMain lets the test binary be the go-zero probe.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "gozero-probe" {
		var config ProbeConfig
		flags := flag.NewFlagSet("gozero-probe", flag.ExitOnError)
		flags.StringVar(&config.Batcher, "batcher", "", "")
		flags.StringVar(&config.Endpoint, "endpoint", "", "")
		flags.IntVar(&config.Port, "port", 0, "")
		_ = flags.Parse(os.Args[2:])
		if err := RunProbe(config, os.Stdin); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// receiver takes traces by OTLP/gRPC.
type receiver struct {
	ptraceotlp.UnimplementedGRPCServer
	got chan string
}

func (r *receiver) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	r.got <- request.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID().String()
	return ptraceotlp.NewExportResponse(), nil
}

func TestProbeExportsWithEveryBatcher(t *testing.T) {
	got := make(chan string, 1)
	receiving := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.URL.Path
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(receiving.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, &receiver{got: got})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	r := &run{target: Target{
		OTLPGRPC:  listener.Addr().String(),
		OTLPHTTP:  receiving.URL,
		ZipkinURL: receiving.URL + "/api/v2/spans",
	}}
	for batcher, want := range map[string]string{"otlphttp": "/v1/traces", "zipkin": "/api/v2/spans", "otlpgrpc": ""} {
		traceID, err := r.callProbe(t.Context(), batcher)
		require.NoError(t, err, batcher)
		require.Regexp(t, `^[0-9a-f]{32}$`, traceID)
		if want == "" {
			want = traceID
		}
		select {
		case path := <-got:
			require.Equal(t, want, path, batcher)
		case <-time.After(5 * time.Second):
			t.Fatalf("nothing exported with %s", batcher)
		}
	}
}

func TestProbeThatEndsAtOnce(t *testing.T) {
	r := &run{options: Options{ProbeCommand: []string{"sh", "-c", "echo no such thing >&2; exit 1"}}}
	_, err := r.callProbe(t.Context(), "zipkin")
	require.ErrorContains(t, err, "it ended before it served")
	require.ErrorContains(t, err, "no such thing")
}
