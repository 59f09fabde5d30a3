package rabbitmq

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddresses(t *testing.T) {
	for list, want := range map[string][]string{
		" amqp://a:b@h:1/": {"amqp://a:b@h:1/"},
		"amqp://a:b@h:1/,amqps://a:b@i:2/v, amqp://a:b@j/": {"amqp://a:b@h:1/", "amqps://a:b@i:2/v", "amqp://a:b@j/"},
		"amqp://a:b,c@h:1/,amqp://a:b,amqp@i:2/":           {"amqp://a:b,c@h:1/", "amqp://a:b,amqp@i:2/"},
	} {
		assert.Equal(t, want, Addresses(list))
	}
	assert.Equal(t, "amqp://a:xxxxx@h:1/,amqp://a:xxxxx@i:2/", Redacted("amqp://a:secret@h:1/,amqp://a:secret@i:2/"))
}

func TestNoAddressAnswers(t *testing.T) {
	_, _, err := Open("amqp://a:secret@127.0.0.1:1/,amqp://a:secret@127.0.0.1:2/")
	require.ErrorContains(t, err, "RabbitMQ at amqp://a:xxxxx@127.0.0.1:1/: dial")
	require.ErrorContains(t, err, "RabbitMQ at amqp://a:xxxxx@127.0.0.1:2/: dial")
	require.NotContains(t, err.Error(), "secret")
}
