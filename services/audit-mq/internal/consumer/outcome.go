package consumer

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// outcome is what became of one delivery of a message.
type outcome string

const (
	stored       outcome = "stored"        // its row is in the database
	retried      outcome = "retried"       // it waits in a retry queue
	deadLettered outcome = "dead_lettered" // it waits for a person
	requeued     outcome = "requeued"      // the broker has it still, and delivers it again
)

// outcomes counts deliveries by outcome.
type outcomes struct{ counter metric.Int64Counter }

// newOutcomes begins each outcome at 0, so that the first of its kind is a rise
// that a dashboard can show and an alert can see.
func newOutcomes() outcomes {
	counter, err := otel.Meter("audit-mq").Int64Counter("audit.messages",
		metric.WithUnit("{message}"), metric.WithDescription("Messages that were handled, by outcome."))
	if err != nil {
		otel.Handle(err)
	}
	for _, o := range []outcome{stored, retried, deadLettered, requeued} {
		counter.Add(context.Background(), 0, o.attribute())
	}
	return outcomes{counter}
}

func (o outcomes) add(ctx context.Context, result outcome) {
	o.counter.Add(ctx, 1, result.attribute())
}

func (o outcome) attribute() metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", string(o))))
}
