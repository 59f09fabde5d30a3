package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"throughline/internal/backend"
	"throughline/internal/flow"
)

// ownService is the service name of what a check sends itself.
const ownService = "throughline-verify"

// loggingServices are those that write a line for every login.
var loggingServices = func() []string {
	var services []string
	for _, line := range flow.Login.Logs {
		services = append(services, line.Service)
	}
	slices.Sort(services)
	return slices.Compact(services)
}()

// maxLines is the most that Loki returns for one query.
const maxLines = 5000

// checkLoginLogs looks up the lines of every login, and the span of every line.
func (r *run) checkLoginLogs(ctx context.Context) Check {
	if len(r.logins) == 0 {
		return failed("%v", errNoTrace)
	}
	spans := map[string]map[string]bool{} // by trace id, span id
	var ids []string
	for _, login := range r.logins {
		ids = append(ids, login.TraceID)
		spans[login.TraceID] = map[string]bool{}
		for _, s := range login.traces[0].Spans {
			spans[login.TraceID][s.SpanID] = true
		}
	}
	query := fmt.Sprintf(`{service_name=~"%s"} | trace_id=~"%s"`, strings.Join(loggingServices, "|"), strings.Join(ids, "|"))
	window := backend.Window{Start: r.logins[0].AnsweredAt.Add(-time.Minute), End: time.Now().Add(time.Minute)}

	var lines []backend.LogLine
	missing := ""
	err := until(ctx, func() error {
		var err error
		if lines, err = r.loki.Lines(ctx, query, window, maxLines); err != nil {
			return err
		}
		services := map[string]map[string]bool{} // by trace id
		for _, line := range lines {
			id := line.Labels["trace_id"]
			if services[id] == nil {
				services[id] = map[string]bool{}
			}
			services[id][line.Labels["service_name"]] = true
		}
		for _, id := range ids {
			if found := slices.Sorted(maps.Keys(services[id])); !slices.Equal(found, loggingServices) {
				missing = fmt.Sprintf("trace %s has log lines of %v; expected %v", id, found, loggingServices)
				return fmt.Errorf("%s; look into the logs of the collector and of Loki", missing)
			}
		}
		return nil
	})
	if err != nil {
		return failed("%v", err)
	}
	for _, line := range lines {
		if text := fmt.Sprint(line.Text, line.Labels); hasMobile(text) {
			return failed("a line of %s in trace %s holds a mobile number", line.Labels["service_name"], line.Labels["trace_id"])
		}
		if !spans[line.Labels["trace_id"]][line.Labels["span_id"]] {
			return failed("line %q of %s bears span id %q, which is no span of trace %s",
				line.Text, line.Labels["service_name"], line.Labels["span_id"], line.Labels["trace_id"])
		}
	}
	return Check{OK: true, Value: float64(len(lines)), Unit: "lines",
		Detail: fmt.Sprintf("%d lines of %d logins in Loki, from all %d services, each with the id of a span that exists and without a mobile number", len(lines), len(ids), len(loggingServices))}
}

// sentRecords is how many log records checkLogRecords sends.
const sentRecords = 1000

// checkLogRecords sends log records by OTLP and counts them in Loki.
func (r *run) checkLogRecords(ctx context.Context) Check {
	exporter, err := otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(r.target.OTLPGRPC), otlploggrpc.WithInsecure())
	if err != nil {
		return failed("collector at %s: %v", r.target.OTLPGRPC, err)
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(resource.NewSchemaless(semconv.ServiceName(ownService))),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter, sdklog.WithMaxQueueSize(2*sentRecords))))
	logger := provider.Logger(ownService)
	began, id := time.Now(), uuid.NewString()
	for i := range sentRecords {
		var record log.Record
		record.SetTimestamp(time.Now())
		record.SetSeverity(log.SeverityInfo)
		record.SetBody(attribute.StringValue(fmt.Sprintf("record %d of %d", i+1, sentRecords)))
		record.AddAttributes(attribute.String("run", id))
		logger.Emit(ctx, record)
	}
	if err := provider.Shutdown(ctx); err != nil {
		return failed("send log records to the collector at %s: %v", r.target.OTLPGRPC, err)
	}
	query := fmt.Sprintf(`{service_name=%q} | run=%q`, ownService, id)
	stored := 0
	err = until(ctx, func() error {
		lines, err := r.loki.Lines(ctx, query, backend.Window{Start: began.Add(-time.Minute), End: time.Now().Add(time.Minute)}, maxLines)
		if stored = len(lines); err == nil && stored != sentRecords {
			return fmt.Errorf("%d log records were sent and %d are stored in Loki; look at the dashboard Collector", sentRecords, stored)
		}
		return err
	})
	if err != nil {
		return failed("%v", err)
	}
	return Check{OK: true, Value: float64(stored), Unit: "records",
		Detail: fmt.Sprintf("%d log records sent to the collector, %d stored in Loki", sentRecords, stored)}
}

// until tries do until it succeeds, and returns its last error when ctx ends.
func until(ctx context.Context, do func() error) error {
	const interval = 250 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		err := do()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-ticker.C:
		}
	}
}
