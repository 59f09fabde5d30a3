package otelamqp

import (
	"context"
	"errors"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The errors that a confirmation ends with; see [DeferredConfirmation.Err].
var (
	// ErrUnroutable (error.type "unroutable"): the message was published with
	// mandatory set and no queue was bound for it. The broker confirms such a
	// message although it has dropped it.
	ErrUnroutable error = &typedError{"unroutable", "message returned as unroutable: no queue is bound for it"}

	// ErrNacked (error.type "nack"): the broker refused the message (basic.nack),
	// as a full queue with x-overflow=reject-publish does.
	ErrNacked error = &typedError{"nack", "message refused by the broker"}

	// ErrNotConfirmed (error.type "channel_closed"): the channel closed before the
	// broker answered. Nobody knows whether it has the message.
	ErrNotConfirmed error = &typedError{"channel_closed", "message not confirmed: the channel closed before the broker answered"}
)

var errPanicked error = &typedError{"panic", "the handler panicked"}

// typedError tells its own error.type, as semconv.ErrorType asks.
type typedError struct{ errorType, text string }

func (e *typedError) Error() string     { return "otelamqp: " + e.text }
func (e *typedError) ErrorType() string { return e.errorType }

// errorType gives the conventions' error.type a small, fixed set of values for
// what this package knows and the Go type of the error for the rest.
func errorType(err error) attribute.KeyValue {
	var amqpErr *amqp.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return semconv.ErrorTypeKey.String("timeout")
	case errors.Is(err, context.Canceled):
		return semconv.ErrorTypeKey.String("canceled")
	case errors.Is(err, amqp.ErrClosed):
		return semconv.ErrorTypeKey.String("channel_closed")
	case errors.As(err, &amqpErr):
		return semconv.ErrorTypeKey.String(strconv.Itoa(amqpErr.Code))
	default:
		return semconv.ErrorType(err)
	}
}

// failure is what of an error is to be told: nil for one that is none to the user.
func (c *config) failure(err error) error {
	if err == nil || c.isError != nil && !c.isError(err) {
		return nil
	}
	return err
}

// endSpan ends a span with the error's type and text, or without an error.
func endSpan(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetAttributes(errorType(err))
		span.SetStatus(codes.Error, valid(err.Error()))
	}
	span.End()
}
