package telemetry

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// endSpans ends spans with the ids 0 to n-1, of about size bytes each, all within
// one batch.
func endSpans(t *testing.T, n, size int) {
	t.Helper()
	for i := range n {
		_, span := otel.Tracer("test").Start(t.Context(), fmt.Sprint(i))
		for at := 0; at < size; at += 2000 {
			span.SetAttributes(attribute.String(fmt.Sprint(at), strings.Repeat("a", min(2000, size-at))))
		}
		span.End()
	}
}

func namesOf(received *collector) (names []string) {
	for _, span := range received.spans() {
		names = append(names, span.Name())
	}
	return names
}

func counted(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

func TestExportThatIsTooLargeIsSplit(t *testing.T) {
	received := startWhole(t, grpc.MaxRecvMsgSize(64<<10))
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "3600000")
	recordLogs(t)
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	endSpans(t, 300, 2000)
	for i := range 300 {
		logx.Infof("%d %s", i, strings.Repeat("a", 2000))
	}
	require.NoError(t, shutdown(t.Context()))
	assert.Equal(t, counted(300), namesOf(received))
	var lines []string
	for _, request := range received.logs {
		for _, resource := range request.ResourceLogs().All() {
			for _, record := range resource.ScopeLogs().At(0).LogRecords().All() {
				line, _, _ := strings.Cut(record.Body().AsString(), " ")
				lines = append(lines, line)
			}
		}
	}
	assert.Equal(t, counted(300), lines)
}

func TestSpanThatIsTooLargeByItselfTakesNoOtherWithIt(t *testing.T) {
	received := startWhole(t, grpc.MaxRecvMsgSize(64<<10))
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	_, console := recordLogs(t)
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	endSpans(t, 50, 100)
	_, span := otel.Tracer("test").Start(t.Context(), "giant")
	for i := range 100 {
		span.SetAttributes(attribute.String(fmt.Sprint(i), strings.Repeat("a", maxText)))
	}
	span.End()
	endSpans(t, 50, 100)
	require.NoError(t, shutdown(t.Context()))
	assert.Equal(t, append(counted(50), counted(50)...), namesOf(received))
	assert.Contains(t, console.String(), "1 spans rejected")
	assert.Contains(t, console.String(), rejection)
}

// TestRetryBeginsWhereTheLastTryEnded interrupts an export that is sent in parts.
func TestRetryBeginsWhereTheLastTryEnded(t *testing.T) {
	var calls atomic.Int32
	received := startWhole(t, grpc.MaxRecvMsgSize(64<<10), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if strings.Contains(info.FullMethod, "trace") && calls.Add(1) == 3 {
				return nil, status.Error(codes.Unavailable, "for a moment")
			}
			return handler(ctx, req)
		}))
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	shutdown, err := Setup(t.Context(), "login-api")
	require.NoError(t, err)
	endSpans(t, 200, 2000)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, shutdown(ctx))
	assert.Equal(t, counted(200), namesOf(received), "each once")
	assert.Greater(t, calls.Load(), int32(3))
}

func TestRefusalForAnotherReasonIsNotSplit(t *testing.T) {
	sends := 0
	p := parts[int]{rest: []int{1, 2, 3}, send: func([]int) error {
		sends++
		return status.Error(codes.ResourceExhausted, "quota")
	}}
	assert.ErrorContains(t, p.sendAll(func(all []int) []int { return all }), "quota")
	assert.Equal(t, 1, sends)
	assert.Equal(t, []int{1, 2, 3}, p.rest)
}
