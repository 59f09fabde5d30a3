package otelamqp

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// everyAMQPType holds a value of each type that a header can have and that is no
// text.
var everyAMQPType = map[string]any{
	"nil": nil, "bool": true, "byte": byte(1), "int8": int8(1), "int": 1, "int16": int16(1), "uint16": uint16(1),
	"int32": int32(1), "uint32": uint32(1), "int64": int64(1), "float32": float32(1), "float64": 1.0,
	"decimal": amqp.Decimal{Scale: 2, Value: 100}, "time": time.Unix(1, 0),
	"array": []any{traceparent}, "table": amqp.Table{"traceparent": traceparent},
}

func TestHeaderCarrierReadsText(t *testing.T) {
	assert.Equal(t, traceparent, HeaderCarrier{"traceparent": traceparent}.Get("traceparent"))
	assert.Equal(t, traceparent, HeaderCarrier{"traceparent": []byte(traceparent)}.Get("traceparent"))
}

func TestHeaderCarrierIgnoresWhatIsNoContext(t *testing.T) {
	assert.Empty(t, HeaderCarrier(nil).Get("traceparent"))
	for name, value := range everyAMQPType {
		assert.Empty(t, HeaderCarrier{"traceparent": value}.Get("traceparent"), name)
	}
	long := strings.Repeat("a", maxCarrierValue+1)
	assert.Empty(t, HeaderCarrier{"baggage": long}.Get("baggage"))
	assert.Empty(t, HeaderCarrier{"baggage": []byte(long)}.Get("baggage"))
}

func TestEnvelopeRoundTrip(t *testing.T) {
	ctx, p := remoteContext(t), w3c
	body, err := WrapBody(ctx, p, []byte(`{"userId": 1}`))
	require.NoError(t, err)
	assert.JSONEq(t, `{"carrier": {"traceparent": "`+traceparent+`"}, "payload": {"userId": 1}}`, string(body))

	payload, carrier := UnwrapBody(body)
	assert.JSONEq(t, `{"userId": 1}`, string(payload))
	assert.Equal(t, traceparent, carrier.Get("traceparent"))
}

func TestWrapBodyRefusesWhatIsNotJSON(t *testing.T) {
	_, err := WrapBody(t.Context(), w3c, []byte("{"))
	assert.ErrorContains(t, err, "valid JSON")
}

func TestUnwrapBodyLeavesOtherBodiesAlone(t *testing.T) {
	for _, body := range []string{
		"", "not json", "[]", "null", `"text"`, `{"userId": 1}`,
		`{"carrier": {"traceparent": "x"}}`, `{"payload": {}}`,
		`{"carrier": "x", "payload": {}}`, `{"carrier": {"traceparent": 7}, "payload": {}}`,
		`{"carrier": {}, "payload": {}, "more": 1}`, `{"carrier": {}, "payload": {}} trailing`,
	} {
		payload, carrier := UnwrapBody([]byte(body))
		assert.Equal(t, body, string(payload))
		assert.Nil(t, carrier, body)
	}
}

func TestUnwrapBodyDropsOversizedCarrierValues(t *testing.T) {
	_, carrier := UnwrapBody([]byte(`{"carrier": {"baggage": "` + strings.Repeat("a", maxCarrierValue+1) + `"}, "payload": 1}`))
	assert.Empty(t, carrier)
}

// members splits a baggage header.
func members(header string) []string {
	if header == "" {
		return nil
	}
	return strings.Split(header, ",")
}
