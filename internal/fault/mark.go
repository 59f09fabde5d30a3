package fault

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Service is the service.name of the marks. The dashboards' annotations select it.
const Service = "throughline-fault"

// phase is the attribute fault.phase of a mark.
type phase string

const (
	begin phase = "begins"
	end   phase = "ends"
)

// markTimeout bounds the way of a mark to the collector: a fault does not wait for it.
const markTimeout = 5 * time.Second

// marks are log records at the begin and the end of a fault, which the dashboards
// draw on their panels.
type marks struct {
	endpoint string // host:port of the collector
	fault    string
	complain io.Writer
}

// send sends a mark. A fault goes on without one, and whoever started it is told.
func (m marks) send(ctx context.Context, phase phase, text string) {
	if err := m.try(ctx, phase, text); err != nil {
		fmt.Fprintf(m.complain, "no mark on the dashboards that it %s: %v\n", phase, err)
	}
}

func (m marks) try(ctx context.Context, phase phase, text string) error {
	ctx, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	connection, err := grpc.NewClient(m.endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("collector at %s: %w", m.endpoint, err)
	}
	defer connection.Close()
	request := plogotlp.NewExportRequestFromLogs(m.record(phase, text, time.Now()))
	if _, err := plogotlp.NewGRPCClient(connection).Export(ctx, request, grpc.WaitForReady(true)); err != nil {
		return fmt.Errorf("collector at %s: %w; see whether it runs with `throughline status`", m.endpoint, err)
	}
	return nil
}

func (m marks) record(phase phase, text string, at time.Time) plog.Logs {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", Service)
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetTimestamp(pcommon.NewTimestampFromTime(at))
	record.SetObservedTimestamp(record.Timestamp())
	record.SetSeverityNumber(plog.SeverityNumberInfo)
	record.SetSeverityText("info")
	body := m.fault + " " + string(phase)
	if text != "" {
		body += ": " + text
	}
	record.Body().SetStr(body)
	record.Attributes().PutStr("fault.name", m.fault)
	record.Attributes().PutStr("fault.phase", string(phase))
	return logs
}
