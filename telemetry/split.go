package telemetry

import (
	"context"
	"strings"

	collogpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logpb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// splitTooLarge sends an export that the collector finds too large in halves, down
// to single spans and log records. One that is too large by itself is reported as
// rejected, by OTLP's own means. It stands between exporter and connection: what is
// sent in parts is counted as sent, and a retry begins where the last try ended.
var splitTooLarge = grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	switch req := req.(type) {
	case *coltracepb.ExportTraceServiceRequest:
		p := parts[*tracepb.ResourceSpans]{rest: req.ResourceSpans, send: func(part []*tracepb.ResourceSpans) error {
			return invoke(ctx, method, &coltracepb.ExportTraceServiceRequest{ResourceSpans: part}, reply, conn, opts...)
		}}
		err := p.sendAll(singleSpans)
		req.ResourceSpans = p.rest
		if len(p.rejected) > 0 {
			reply.(*coltracepb.ExportTraceServiceResponse).PartialSuccess = &coltracepb.ExportTracePartialSuccess{
				RejectedSpans: int64(len(p.rejected)), ErrorMessage: rejection}
		}
		return err
	case *collogpb.ExportLogsServiceRequest:
		p := parts[*logpb.ResourceLogs]{rest: req.ResourceLogs, send: func(part []*logpb.ResourceLogs) error {
			return invoke(ctx, method, &collogpb.ExportLogsServiceRequest{ResourceLogs: part}, reply, conn, opts...)
		}}
		err := p.sendAll(singleRecords)
		req.ResourceLogs = p.rest
		if len(p.rejected) > 0 {
			reply.(*collogpb.ExportLogsServiceResponse).PartialSuccess = &collogpb.ExportLogsPartialSuccess{
				RejectedLogRecords: int64(len(p.rejected)), ErrorMessage: rejection}
		}
		return err
	default: // there are as many metrics as the program has, whoever calls it
		return invoke(ctx, method, req, reply, conn, opts...)
	}
})

const rejection = "each is larger than what the collector takes in one request"

// parts is an export under way.
type parts[R any] struct {
	rest     []R // still to be sent
	rejected []R // each too large by itself
	send     func([]R) error
}

// sendAll sends the rest, in parts when it is too large. After an error the rest
// holds all that did not arrive.
func (p *parts[R]) sendAll(singles func([]R) []R) error {
	err := p.send(p.rest)
	if !isTooLarge(err) {
		return err
	}
	p.rest = singles(p.rest)
	if err := p.sendFirst(len(p.rest)); err != nil {
		p.rest, p.rejected = append(p.rejected, p.rest...), nil
		return err
	}
	return nil
}

// sendFirst sends the first n of the rest, or rejects one that cannot be sent.
func (p *parts[R]) sendFirst(n int) error {
	err := p.send(p.rest[:n])
	if isTooLarge(err) && n > 1 {
		if err := p.sendFirst(n / 2); err != nil {
			return err
		}
		return p.sendFirst(n - n/2)
	}
	if isTooLarge(err) {
		p.rejected = append(p.rejected, p.rest[0])
	} else if err != nil {
		return err
	}
	p.rest = p.rest[n:]
	return nil
}

// isTooLarge goes by the words of gRPC's implementations: the same code means that
// there are too many requests, which more of them do not mend.
func isTooLarge(err error) bool {
	s, _ := status.FromError(err)
	return s.Code() == codes.ResourceExhausted &&
		(strings.Contains(s.Message(), "larger than max") || strings.Contains(s.Message(), "exceeds maximum size"))
}

func singleSpans(resources []*tracepb.ResourceSpans) (singles []*tracepb.ResourceSpans) {
	for _, r := range resources {
		for _, s := range r.ScopeSpans {
			for i := range s.Spans {
				singles = append(singles, &tracepb.ResourceSpans{Resource: r.Resource, SchemaUrl: r.SchemaUrl, ScopeSpans: []*tracepb.ScopeSpans{
					{Scope: s.Scope, SchemaUrl: s.SchemaUrl, Spans: s.Spans[i : i+1]}}})
			}
		}
	}
	return singles
}

func singleRecords(resources []*logpb.ResourceLogs) (singles []*logpb.ResourceLogs) {
	for _, r := range resources {
		for _, s := range r.ScopeLogs {
			for i := range s.LogRecords {
				singles = append(singles, &logpb.ResourceLogs{Resource: r.Resource, SchemaUrl: r.SchemaUrl, ScopeLogs: []*logpb.ScopeLogs{
					{Scope: s.Scope, SchemaUrl: s.SchemaUrl, LogRecords: s.LogRecords[i : i+1]}}})
			}
		}
	}
	return singles
}
