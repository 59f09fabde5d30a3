package evaluate

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"throughline/internal/otlpload"
	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
	"throughline/internal/verify"
)

// BenchmarkCollector measures the collector as it is configured on one core and on two,
// with stores that only read. Of b.N spans each request has the same number. The sender
// and the stores are this process: docs/scaling.md has the command that keeps it on a
// core of its own.
func BenchmarkCollector(b *testing.B) {
	for _, cores := range []int{1, 2} {
		for _, spans := range []int{64, 512, 4096} {
			b.Run(fmt.Sprintf("cores=%d/spans=%d", cores, spans), func(b *testing.B) { benchmarkCollector(b, cores, spans) })
		}
	}
}

func benchmarkCollector(b *testing.B, cores, spansPerRequest int) {
	stores, err := newMetricsSink()
	require.NoError(b, err)
	defer stores.Close()
	s, err := stacktest.New(&stacktest.Environment{})
	require.NoError(b, err)
	defer os.RemoveAll(s.RunDir())
	var collector *stack.Collector
	onFirstCores(b, cores, func() {
		collector, err = s.RunCollector(b.Context(), "benchmark", []string{"otel-collector/config.yaml"}, "JAEGER_OTLP_ENDPOINT="+stores.address,
			"TEMPO_OTLP_ENDPOINT="+stores.address, "LOKI_OTLP_ENDPOINT="+stores.address, "PROMETHEUS_OTLP_ENDPOINT="+stores.address)
	})
	require.NoError(b, err)
	defer func() { require.NoError(b, collector.Stop(context.WithoutCancel(b.Context()))) }()
	client, err := otlpload.Dial(collector.OTLPGRPC)
	require.NoError(b, err)
	defer client.Close()
	requests := make([]ptrace.Traces, (b.N+spansPerRequest-1)/spansPerRequest)
	for i := range requests {
		requests[i] = request(spansPerRequest / verify.LoginSpans)
	}
	for range 20 { // a warm-up
		require.NoError(b, client.Send(b.Context(), request(spansPerRequest/verify.LoginSpans)))
	}
	warm := client.Acknowledged()
	_, err = handedOver(b.Context(), collector, collectorReading{}, warm)
	require.NoError(b, err)
	runtime.GC() // what making the requests has left, not while they are sent
	before, err := readCollector(b.Context(), collector)
	require.NoError(b, err)

	own := ownCPU(b)
	b.ResetTimer()
	work, ctx := errgroup.WithContext(b.Context())
	work.SetLimit(senders)
	for _, request := range requests {
		work.Go(func() error { return client.Send(ctx, request) })
	}
	require.NoError(b, work.Wait())
	b.StopTimer()
	seconds := b.Elapsed().Seconds()
	own = ownCPU(b) - own

	run, err := handedOver(b.Context(), collector, before, client.Acknowledged()-warm)
	require.NoError(b, err)
	b.ReportMetric(float64(run.Accepted)/seconds, "spans/s")
	b.ReportMetric(run.SpansPerCPUSecond(), "spans/cpu-s")
	b.ReportMetric(run.CPUSeconds/seconds, "collector-cores")
	b.ReportMetric(own.Seconds()/seconds, "sender-cores")
}

// onFirstCores keeps what run starts on the first n cores of the machine: a process gets
// the cores of the thread that starts it, and the Go runtime takes as many processors.
func onFirstCores(b *testing.B, n int, run func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, first unix.CPUSet
	require.NoError(b, unix.SchedGetaffinity(0, &before))
	for core := range n {
		first.Set(core)
	}
	require.NoError(b, unix.SchedSetaffinity(0, &first))
	defer func() { require.NoError(b, unix.SchedSetaffinity(0, &before)) }()
	run()
}

// ownCPU is the CPU time of this process.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
