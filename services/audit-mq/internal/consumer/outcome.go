package consumer

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"throughline/services/internal/events"
)

// outcome is what became of one attempt at a message.
type outcome string

const (
	stored       outcome = "stored"        // its row is in the database
	retried      outcome = "retried"       // it failed, and is tried again after a while
	waited       outcome = "waited"        // the database was away, and it is tried again after a while
	deadLettered outcome = "dead_lettered" // it waits for a person
	requeued     outcome = "requeued"      // the broker has it still, and delivers it again
)

// outcomes counts deliveries by outcome.
type outcomes struct{ counter metric.Int64Counter }

// newOutcomes begins each outcome at 0, so that the first of its kind is a rise
// that a dashboard can show and an alert can see.
func newOutcomes() outcomes {
	counter, err := otel.Meter("audit-mq").Int64Counter("audit.messages",
		metric.WithUnit("{message}"), metric.WithDescription("Attempts at messages, by outcome."))
	if err != nil {
		otel.Handle(err)
	}
	for _, o := range []outcome{stored, retried, waited, deadLettered, requeued} {
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

// outcomeOf is what it means that a message has gone to the queue.
func outcomeOf(queue string) outcome {
	if queue == events.DeadQueue {
		return deadLettered
	}
	return retried
}
