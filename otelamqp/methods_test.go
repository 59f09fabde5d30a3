package otelamqp

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// passedThrough are the methods of the client's channel that this package leaves as
// they are, with the reason.
var passedThrough = map[string]string{
	"Close": "what is pending ends by itself", "IsClosed": "tells of the channel", "Reconnect": "part of the client's recovery",
	"TopologyConfiguration": "tells of the client's recovery", "GetNextPublishSeqNo": "tells of the channel",

	"Confirm": "the publish tells whether it is on", "Flow": "no message passes", "Qos": "no message passes",
	"Tx": "a message is told of when it is published", "TxCommit": "see Tx", "TxRollback": "see Tx",

	"NotifyCancel": "listens", "NotifyClose": "listens", "NotifyConfirm": "listens", "NotifyFlow": "listens", "NotifyPublish": "listens",
	"NotifyRecoveryCancel": "listens", "NotifyReturn": "listens", "NotifyStateChange": "listens",

	"ExchangeBind": "topology", "ExchangeDeclare": "topology", "ExchangeDeclarePassive": "topology", "ExchangeDelete": "topology", "ExchangeUnbind": "topology",
	"QueueBind": "topology", "QueueDeclarePassive": "topology", "QueueDelete": "topology", "QueueInspect": "topology", "QueuePurge": "topology", "QueueUnbind": "topology",
}

// A version of the client with a method that is not known here must not slip past.
func TestEveryMethodOfTheClientIsWrappedOrPassedThrough(t *testing.T) {
	wrapped := map[string]bool{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, method := range regexp.MustCompile(`(?m)^func \(c \*Channel\) ([A-Z]\w*)\(`).FindAllSubmatch(source, -1) {
			wrapped[string(method[1])] = true
		}
	}
	client := reflect.TypeFor[*amqp.Channel]()
	known := map[string]bool{}
	for i := range client.NumMethod() {
		name := client.Method(i).Name
		known[name] = true
		assert.NotEqual(t, wrapped[name], passedThrough[name] != "", "%s: wrap it, or list it as passed through", name)
	}
	for name := range passedThrough {
		assert.True(t, known[name], "the client has no %s any more", name)
	}
}
