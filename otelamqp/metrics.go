package otelamqp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
)

// PublishedAtHeader is the message header with the time of the publish, in
// nanoseconds since the Unix epoch (an AMQP long-long). Every publish sets it:
// the timestamp property of AMQP counts whole seconds, and belongs to the
// application.
const PublishedAtHeader = "x-published-at"

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
	sent        messagingconv.ClientSentMessages
	operation   messagingconv.ClientOperationDuration
	consumed    messagingconv.ClientConsumedMessages
	process     messagingconv.ProcessDuration
	timeInQueue metric.Float64Histogram
	attributes  attributeSets
}

func newMetrics(mp metric.MeterProvider, server []attribute.KeyValue) *metrics {
	meter := mp.Meter(ScopeName, metric.WithInstrumentationVersion(Version))
	m := &metrics{attributes: attributeSets{server: server}}
	errs := make([]error, 5)
	m.sent, errs[0] = messagingconv.NewClientSentMessages(meter)
	m.operation, errs[1] = messagingconv.NewClientOperationDuration(meter, metric.WithExplicitBucketBoundaries(durationBuckets...))
	m.consumed, errs[2] = messagingconv.NewClientConsumedMessages(meter)
	m.process, errs[3] = messagingconv.NewProcessDuration(meter, metric.WithExplicitBucketBoundaries(durationBuckets...))
	m.timeInQueue, errs[4] = meter.Float64Histogram("messaging.message.time_in_queue",
		metric.WithDescription("Time from the publish of a message to the start of its processing."),
		metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(queueBuckets...))
	if err := errors.Join(errs...); err != nil {
		otel.Handle(err)
	}
	return m
}

// recordSend counts a message that was sent, or was not.
func (m *metrics) recordSend(ctx context.Context, destination string, took time.Duration, err error) {
	set := m.attributes.of("send", destination, err)
	m.sent.AddSet(ctx, 1, set)
	m.operation.RecordSet(ctx, took.Seconds(), set)
}

// recordDelivery counts a message that has reached the application.
func (m *metrics) recordDelivery(ctx context.Context, destination string, d *amqp.Delivery, now time.Time) {
	set := m.attributes.of("process", destination, nil)
	m.consumed.AddSet(ctx, 1, set)
	if waited, known := timeInQueue(d, now); known {
		m.timeInQueue.Record(ctx, waited.Seconds(), metric.WithAttributeSet(set))
	}
}

func (m *metrics) recordProcess(ctx context.Context, destination string, took time.Duration, err error) {
	m.process.RecordSet(ctx, took.Seconds(), m.attributes.of("process", destination, err))
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

// maxAttributeSets bounds the memory for destinations: a routing key may hold
// anything.
const maxAttributeSets = 1024

// attributeSets makes the attributes of each measurement once.
type attributeSets struct {
	server []attribute.KeyValue
	sets   sync.Map // attributeSetKey -> attribute.Set
	count  atomic.Int32
}

type attributeSetKey struct{ operation, destination, errorType string }

func (s *attributeSets) of(operation, destination string, err error) attribute.Set {
	key := attributeSetKey{operation: operation, destination: destination}
	if err != nil {
		key.errorType = errorType(err).Value.AsString()
	}
	if set, found := s.sets.Load(key); found {
		return set.(attribute.Set)
	}
	attrs := append([]attribute.KeyValue{
		semconv.MessagingSystemRabbitMQ,
		semconv.MessagingOperationName(operation),
		semconv.MessagingDestinationName(destination),
	}, s.server...)
	if key.errorType != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(key.errorType))
	}
	set := attribute.NewSet(attrs...)
	if s.count.Load() < maxAttributeSets {
		s.count.Add(1)
		s.sets.Store(key, set)
	}
	return set
}
