package otlpload

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	// firstWait and longestWait are between attempts, where the server asks for
	// no other time.
	firstWait   = 50 * time.Millisecond
	longestWait = time.Second
	// answerTimeout is how long one attempt may take.
	answerTimeout = 10 * time.Second
)

// Client sends spans by OTLP. Its methods can be used from several goroutines.
type Client struct {
	endpoint     string
	export       func(context.Context, ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error)
	close        func() error
	acknowledged atomic.Int64
}

// Dial makes a client of the receiver at endpoint: host:port for OTLP over gRPC, or
// the http:// or https:// URL, without /v1/traces, for OTLP over HTTP. It connects
// by itself, now and after an outage.
func Dial(endpoint string) (*Client, error) {
	if strings.Contains(endpoint, "://") {
		return dialHTTP(endpoint)
	}
	connection, err := grpc.NewClient(endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: firstWait, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestWait},
			MinConnectTimeout: longestWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("OTLP receiver %s: %w; give host:port", endpoint, err)
	}
	exporter := ptraceotlp.NewGRPCClient(connection)
	return &Client{endpoint: endpoint, close: connection.Close, export: func(ctx context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
		return exporter.Export(ctx, request)
	}}, nil
}

// Send returns nil once the receiver has acknowledged every span. It sends again
// what the receiver refuses for now, or does not answer, until ctx ends. What the
// receiver refuses for good is an error at once.
func (c *Client) Send(ctx context.Context, traces ptrace.Traces) error {
	request := ptraceotlp.NewExportRequestFromTraces(traces)
	waits := &backoff.ExponentialBackOff{
		InitialInterval: firstWait, MaxInterval: longestWait,
		Multiplier: backoff.DefaultMultiplier, RandomizationFactor: backoff.DefaultRandomizationFactor,
	}
	for {
		err := c.attempt(ctx, request, traces.SpanCount())
		if err == nil {
			return nil
		}
		wait, again := retryAfter(err, waits)
		if !again {
			return fmt.Errorf("OTLP receiver %s refuses spans for good: %w", c.endpoint, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("OTLP receiver %s has not taken %d spans: %w; its last answer: %w",
				c.endpoint, traces.SpanCount(), context.Cause(ctx), err)
		case <-time.After(wait):
		}
	}
}

// Acknowledged is how many spans the receiver has taken over.
func (c *Client) Acknowledged() int64 { return c.acknowledged.Load() }

// Close ends the connection.
func (c *Client) Close() error { return c.close() }

func (c *Client) attempt(ctx context.Context, request ptraceotlp.ExportRequest, spans int) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := c.export(ctx, request)
	if err != nil {
		return err
	}
	partial := response.PartialSuccess()
	c.acknowledged.Add(int64(spans) - partial.RejectedSpans())
	if partial.RejectedSpans() > 0 {
		return rejected{partial.RejectedSpans(), partial.ErrorMessage()}
	}
	return nil
}

// rejected is a partial success, which must not be retried.
type rejected struct {
	spans  int64
	reason string
}

func (r rejected) Error() string { return fmt.Sprintf("%d spans rejected: %s", r.spans, r.reason) }

// retryAfter tells whether OTLP lets a client send again, and after which time.
func retryAfter(err error, waits *backoff.ExponentialBackOff) (wait time.Duration, again bool) {
	answer, ok := status.FromError(err)
	if !ok {
		return 0, false
	}
	wait = waits.NextBackOff()
	asked := false
	for _, detail := range answer.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			asked = true
			wait = max(wait, info.GetRetryDelay().AsDuration())
		}
	}
	switch answer.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return wait, true
	case codes.ResourceExhausted:
		return wait, asked
	}
	return 0, false
}
