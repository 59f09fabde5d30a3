package telemetry

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/otelconv"
)

// What the spans and the log records that wait for the collector may take in memory.
// The SDK's queues count items, and 32768 of the largest would be tens of gigabytes.
const (
	maxSpanBytes   = 24 << 20
	maxRecordBytes = 16 << 20
)

// shortText bounds the texts of what is added while more than a quarter of a queue's
// bytes is taken: whoever sends the longest must not leave others without room.
const shortText = 256

// budget bounds a queue of the SDK in bytes. What it admits is given back when the
// exporter is done with it. It never admits more items than the queue takes, so that
// the SDK drops nothing that it does not know of.
type budget struct {
	maxItems, maxBytes int64
	items, bytes       atomic.Int64
	refused            func() // counts an item for which there was no room
}

// admit takes room for an item, or counts it as dropped.
func (b *budget) admit(size int) bool {
	items, bytes := b.items.Add(1), b.bytes.Add(int64(size))
	if items <= b.maxItems && bytes <= b.maxBytes {
		return true
	}
	b.release(1, size)
	b.refused()
	return false
}

// crowded tells whether texts have to be short.
func (b *budget) crowded() bool { return b.bytes.Load() > b.maxBytes/4 }

func (b *budget) release(items, size int) {
	b.items.Add(int64(-items))
	b.bytes.Add(int64(-size))
}

// queueSize is how many items the variable gives a queue.
func queueSize(variable string) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return maxQueue
}

// queueFull describes what a batch processor has dropped as the SDK does, whose own
// counter it joins.
func queueFull(component otelconv.ComponentTypeAttr) attribute.Set {
	return attribute.NewSet(
		semconv.OTelComponentName(string(component)+"/bounded"),
		semconv.OTelComponentTypeKey.String(string(component)),
		semconv.ErrorTypeKey.String("queue_full"),
	)
}

func newSpanBudget(mp metric.MeterProvider) *budget {
	processed, err := otelconv.NewSDKProcessorSpanProcessed(mp.Meter(scope))
	if err != nil {
		otel.Handle(err)
	}
	full := queueFull(otelconv.ComponentTypeBatchingSpanProcessor)
	return &budget{
		maxItems: int64(queueSize("OTEL_BSP_MAX_QUEUE_SIZE")), maxBytes: maxSpanBytes,
		refused: func() { processed.AddSet(context.Background(), 1, full) },
	}
}

func newRecordBudget(mp metric.MeterProvider) *budget {
	processed, err := otelconv.NewSDKProcessorLogProcessed(mp.Meter(scope))
	if err != nil {
		otel.Handle(err)
	}
	full := queueFull(otelconv.ComponentTypeBatchingLogProcessor)
	return &budget{
		maxItems: int64(queueSize("OTEL_BLRP_MAX_QUEUE_SIZE")), maxBytes: maxRecordBytes,
		refused: func() { processed.AddSet(context.Background(), 1, full) },
	}
}

// boundedSpans hands compact spans to the SDK's batch processor while there is room.
type boundedSpans struct {
	sdktrace.SpanProcessor
	*budget
	maxValue int
}

func (p boundedSpans) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() { // the SDK's would take it and forget it
		return
	}
	text, value := maxText, p.maxValue
	if p.crowded() {
		text = shortText
		if value != noLimit {
			value = shortText
		}
	}
	if s = compact(s, text, value); p.admit(size(s)) {
		p.SpanProcessor.OnEnd(s)
	}
}

// releasingSpans gives the room of spans back once they are sent or given up.
type releasingSpans struct {
	sdktrace.SpanExporter
	*budget
}

func (e releasingSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	bytes := 0
	for _, s := range spans {
		bytes += size(s)
	}
	defer e.release(len(spans), bytes)
	return e.SpanExporter.ExportSpans(ctx, spans)
}

// boundedRecords hands log records to the SDK's batch processor while there is room.
type boundedRecords struct {
	sdklog.Processor
	*budget
}

func (p boundedRecords) OnEmit(ctx context.Context, r *sdklog.Record) error {
	if body := r.Body(); p.crowded() && body.Type() == attribute.STRING {
		r.SetBody(attribute.StringValue(own(body.AsString(), shortText)))
	}
	if !p.admit(recordSize(*r)) {
		return nil
	}
	return p.Processor.OnEmit(ctx, r)
}

// releasingRecords gives the room of log records back once they are sent or given up.
type releasingRecords struct {
	sdklog.Exporter
	*budget
}

func (e releasingRecords) Export(ctx context.Context, records []sdklog.Record) error {
	bytes := 0
	for _, r := range records {
		bytes += recordSize(r)
	}
	defer e.release(len(records), bytes)
	return e.Exporter.Export(ctx, records)
}

// recordSize is about what a log record takes in memory, in bytes.
func recordSize(r sdklog.Record) int {
	const record, item = 384, 64 // the structs, without texts
	n := record + valueSize(r.Body())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		n += item + valueSize(kv.Value)
		return true
	})
	return n
}
