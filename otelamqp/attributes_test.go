package otelamqp

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDestinations(t *testing.T) {
	for _, tc := range []struct{ exchange, key, queue, publish, consume string }{
		{"user.events", "user.logged_in", "audit", "user.events:user.logged_in", "user.events:user.logged_in:audit"},
		{"", "audit", "audit", "audit", "audit"},
		{"logs", "", "q", "logs", "logs:q"},
		{"", "", "", "amq.default", "amq.default"},
		{"", "key", "", "key", "key"},
	} {
		assert.Equal(t, tc.publish, publishDestination(tc.exchange, tc.key))
		assert.Equal(t, tc.consume, consumeDestination(tc.exchange, tc.key, tc.queue))
	}
}
