package otelamqp

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
)

var (
	// durationBuckets, in seconds, are those that the conventions advise.
	durationBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	// queueBuckets, in seconds, reach from a queue that is empty to one whose
	// consumers were away.
	queueBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
)

// metrics are the instruments of a [Channel]. All that is recorded with the
// context of a span can carry that span as an exemplar.
type metrics struct {
	sent, consumed                  metric.Int64Counter
	operation, process, timeInQueue metric.Float64Histogram
}

func newMetrics(mp metric.MeterProvider) metrics {
	meter := mp.Meter(ScopeName, metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(SchemaURL))
	buckets := metric.WithExplicitBucketBoundaries(durationBuckets...)
	sent, err1 := messagingconv.NewClientSentMessages(meter)
	consumed, err2 := messagingconv.NewClientConsumedMessages(meter)
	operation, err3 := messagingconv.NewClientOperationDuration(meter, buckets)
	process, err4 := messagingconv.NewProcessDuration(meter, buckets)
	timeInQueue, err5 := meter.Float64Histogram("messaging.message.time_in_queue",
		metric.WithDescription("Time from the publish of a message until the application has it."),
		metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(queueBuckets...))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		otel.Handle(err)
	}
	return metrics{sent.Inst(), consumed.Inst(), operation.Inst(), process.Inst(), timeInQueue}
}

// enabled tells whether anything that is measured goes anywhere. Where nothing
// does, not even the time is asked for.
func (m *metrics) enabled(ctx context.Context) bool {
	return m.operation.Enabled(ctx) || m.process.Enabled(ctx) || m.sent.Enabled(ctx) || m.consumed.Enabled(ctx) || m.timeInQueue.Enabled(ctx)
}

// measurement holds the attributes of an operation's metrics in the form that
// recording takes.
type measurement struct {
	add       []metric.AddOption
	record    []metric.RecordOption
	operation []metric.RecordOption // with the operation's type
}

func newMeasurement(p *plan, err error) measurement {
	attrs := p.measured[:len(p.measured):len(p.measured)]
	if err != nil {
		attrs = append(attrs, errorType(err))
	}
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	typed := metric.WithAttributeSet(attribute.NewSet(append(attrs, p.operation.operationType())...))
	return measurement{[]metric.AddOption{set}, []metric.RecordOption{set}, []metric.RecordOption{typed}}
}

func (p *plan) measurement(err error) measurement {
	if err == nil {
		return p.succeeded
	}
	return newMeasurement(p, err)
}

// recordSend counts a message that was sent, or was not.
func (m *metrics) recordSend(ctx context.Context, p *plan, began time.Time, err error) {
	if !m.enabled(ctx) {
		return
	}
	with := p.measurement(err)
	m.sent.Add(ctx, 1, with.add...)
	m.operation.Record(ctx, time.Since(began).Seconds(), with.operation...)
}

// recordOperation measures what a client does but send.
func (m *metrics) recordOperation(ctx context.Context, p *plan, began time.Time, err error) {
	if m.enabled(ctx) {
		m.operation.Record(ctx, time.Since(began).Seconds(), p.measurement(err).operation...)
	}
}

// recordDelivery counts a message that has reached the application.
func (m *metrics) recordDelivery(ctx context.Context, p *plan, d *amqp.Delivery, now time.Time) {
	if !m.enabled(ctx) {
		return
	}
	m.consumed.Add(ctx, 1, p.succeeded.add...)
	if waited, known := timeInQueue(d, now); known {
		m.timeInQueue.Record(ctx, waited.Seconds(), p.succeeded.record...)
	}
}

func (m *metrics) recordProcess(ctx context.Context, p *plan, began time.Time, err error) {
	if m.enabled(ctx) {
		m.process.Record(ctx, time.Since(began).Seconds(), p.measurement(err).record...)
	}
}

// timeInQueue is not known of a message with neither header nor timestamp. Two
// machines' clocks may differ, so it may be found negative, which means none.
func timeInQueue(d *amqp.Delivery, now time.Time) (waited time.Duration, known bool) {
	published := d.Timestamp
	if nanoseconds, ok := d.Headers[PublishedAtHeader].(int64); ok {
		published = time.Unix(0, nanoseconds)
	}
	return max(0, now.Sub(published)), !published.IsZero()
}
