package consumer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"

	"throughline/services/internal/events"
)

func TestNextStop(t *testing.T) {
	failure := errors.New("database is locked")
	for attempt, queue := range map[int]string{
		1: "user.events.audit.retry.500ms", 2: "user.events.audit.retry.1s", 3: "user.events.audit.retry.2s",
		4: "user.events.audit.retry.4s", 5: "user.events.audit.retry.8s", 6: "user.events.audit.dead", 7: "user.events.audit.dead",
	} {
		assert.Equal(t, queue, nextStop(failure, attempt))
	}
	assert.Equal(t, "user.events.audit.dead", nextStop(fmt.Errorf("wrapped: %w", undecodable{failure}), 1), "no retry can help")
}

func TestAttemptsSurvivesAnyHeader(t *testing.T) {
	for want, values := range map[int][]any{
		0: {nil, "3", 3.0, int32(-1), int64(-1 << 62), amqp.Table{}, []any{int32(3)}, true},
		3: {int32(3), int64(3)},
		5: {int32(5), int32(6), int64(1 << 62)},
	} {
		for _, v := range values {
			assert.Equal(t, want, attempts(&amqp.Delivery{Headers: amqp.Table{events.AttemptsHeader: v}}), "%T %v", v, v)
		}
	}
	assert.Zero(t, attempts(&amqp.Delivery{}))
}

func TestReasonIsBoundedText(t *testing.T) {
	text := reason(errors.New(strings.Repeat("é", maxReason) + "\xff"))
	assert.LessOrEqual(t, len(text), maxReason)
	assert.True(t, utf8.ValidString(text))
}
