package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/flow"
)

// checkGoZeroExporter sends one request to a go-zero service that exports with
// the given batcher, and looks for its span in every store.
func (r *run) checkGoZeroExporter(ctx context.Context, batcher string) Check {
	if err := r.reachable(ctx); err != nil {
		return failed("%v", err)
	}
	traceID, err := r.callProbe(ctx, batcher)
	if err != nil {
		return failed("%v", err)
	}
	waitCtx, cancel := context.WithTimeout(ctx, r.options.TraceTimeout)
	defer cancel()
	tree := []flow.Span{{Service: probeService(batcher), Name: "GET " + probePath, Kind: flow.Kind(backend.Server)}}
	traces, err := waitInAll(waitCtx, r.stores, traceID, flow.Size(tree))
	r.probes = append(r.probes, traces...)
	if err != nil {
		return failed("sent to %s: %v; look into the collector's log", r.target.endpointFor(batcher), err)
	}
	for i, t := range traces {
		wrong := mismatches(tree, t)
		if len(wrong) == 0 {
			wrong = unconventional(t.Spans[0])
		}
		if len(wrong) > 0 {
			return failed("trace %s in %s: %s; see the transforms in otel-collector/config.yaml", traceID, r.stores[i].Name(), firstOf(wrong))
		}
	}
	return Check{OK: true, Value: 1, Unit: "spans",
		Detail: fmt.Sprintf("%q of a service with nothing but a Telemetry block is in %s, by the current conventions", tree[0].Name, r.storeNames())}
}

// unconventional compares the attributes of the probe's span with the current
// semantic conventions of an HTTP server span.
func unconventional(span backend.Span) []string {
	var wrong []string
	for key, want := range map[string]string{
		"http.request.method":       http.MethodGet,
		"http.response.status_code": "200",
		"http.route":                probePath,
		"url.path":                  probePath,
		"url.scheme":                "http",
	} {
		// As text, for Zipkin has no other type.
		if got, ok := span.Attributes[key]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s lacks the attribute %s", span.Describe(), key))
		} else if fmt.Sprint(got) != want {
			wrong = append(wrong, fmt.Sprintf("%s has %s = %s; expected %s", span.Describe(), key, show(got), want))
		}
	}
	for _, key := range []string{"http.method", "http.status_code", "http.target", "http.scheme"} {
		if _, ok := span.Attributes[key]; ok {
			wrong = append(wrong, fmt.Sprintf("%s still has the attribute %s of 2021", span.Describe(), key))
		}
	}
	return wrong
}

// callProbe starts the probe, sends it one request, and stops it, upon which
// it exports. It returns the id of the request's trace.
func (r *run) callProbe(ctx context.Context, batcher string) (traceID string, err error) {
	command := r.options.ProbeCommand
	if len(command) == 0 {
		executable, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the executable for the go-zero probe: %w", err)
		}
		command = []string{executable, "gozero-probe"}
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	args := append(command[1:len(command):len(command)],
		"--batcher", batcher, "--endpoint", r.target.endpointFor(batcher), "--port", strconv.Itoa(port))
	probe := exec.CommandContext(ctx, command[0], args...)
	var output bytes.Buffer
	probe.Stdout, probe.Stderr = &output, &output
	probe.WaitDelay = time.Second
	stdin, err := probe.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("start the go-zero probe: %w", err)
	}
	if err := probe.Start(); err != nil {
		return "", fmt.Errorf("start the go-zero probe %s: %w", command[0], err)
	}
	exited := make(chan struct{})
	go func() {
		_ = probe.Wait()
		close(exited)
	}()

	traceID, err = request(ctx, port, exited)
	if err != nil {
		_ = probe.Process.Kill()
		<-exited
		return "", fmt.Errorf("go-zero probe with %s: %w; its output: %.500s", batcher, err, strings.TrimSpace(output.String()))
	}
	_ = stdin.Close()
	select {
	case <-exited:
	case <-ctx.Done():
		return "", fmt.Errorf("go-zero probe with %s does not stop: %w", batcher, ctx.Err())
	}
	return traceID, nil
}

// request sends a request to the probe as soon as it serves. The query holds a
// demo user's mobile number, for the collector to mask.
func request(ctx context.Context, port int, exited <-chan struct{}) (traceID string, err error) {
	const interval = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	url := fmt.Sprintf("http://127.0.0.1:%d%s?mobile=%s", port, probePath, demo.Users[0].Mobile)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		response, err := http.DefaultClient.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			// go-zero's middleware answers with the context of its span.
			spanContext := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(response.Header)))
			if !spanContext.IsValid() {
				return "", errors.New("its answer has no traceparent header, so it is not traced")
			}
			return spanContext.TraceID().String(), nil
		}
		select {
		case <-exited:
			return "", errors.New("it ended before it served")
		case <-ctx.Done():
			return "", fmt.Errorf("it does not serve on port %d: %w", port, ctx.Err())
		case <-ticker.C:
		}
	}
}

// freePort returns a port of 127.0.0.1 on which nobody listens.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
