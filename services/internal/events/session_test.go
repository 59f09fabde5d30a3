package events

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddressThatIsWrongIsNotRepeated(t *testing.T) {
	for _, address := range []string{"amqp://guest:se#cret@127.0.0.1:5672/", "http://guest:secret@127.0.0.1/", "amqp://guest:se cret@127.0.0.1/", "amqp://guest:se%zzcret@h/"} {
		_, err := parse(address)
		require.ErrorContains(t, err, "RABBITMQ_URL is not an AMQP address")
		assert.NotContains(t, err.Error(), "cret@")
	}
	uri, err := parse("amqp://guest:se%23cret@127.0.0.1:5672/")
	require.NoError(t, err)
	assert.Equal(t, "se#cret", uri.Password)
}

func TestSplit(t *testing.T) {
	assert.Equal(t, []string{"amqp://a:b,c@h:1/"}, split("amqp://a:b,c@h:1/"))
	assert.Equal(t, []string{"amqp://a:b@h:1/", "amqps://a:b@i:2/v", "amqp://a:b@j/"}, split(" amqp://a:b@h:1/,amqps://a:b@i:2/v, amqp://a:b@j/"))
}

func TestTableSizeIsNoLessThanOnTheWire(t *testing.T) {
	// Length of the table, then of each field: length of the key, key, type, value.
	for _, test := range []struct {
		wire  int
		table amqp.Table
	}{
		{4, nil},
		{4 + 3 + 4 + 5, amqp.Table{"k": "value"}},
		{4 + 3 + 4 + 5, amqp.Table{"k": []byte("value")}},
		{4 + 3 + 8, amqp.Table{"k": int64(1)}},
		{4 + 3, amqp.Table{"k": nil}},
		{4 + 3 + 4 + 3 + 4 + 1, amqp.Table{"k": amqp.Table{"l": "x"}}},
		{4 + 3 + 4 + 1 + 4 + 1 + 1 + 8, amqp.Table{"k": []any{"x", int64(1)}}},
	} {
		assert.GreaterOrEqual(t, tableSize(test.table), test.wire, "%v", test.table)
		assert.LessOrEqual(t, tableSize(test.table), test.wire+8, "%v", test.table)
	}
}
