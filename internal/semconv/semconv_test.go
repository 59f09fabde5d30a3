package semconv

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		key     string
		value   any
		verdict Verdict
		why     string
	}{
		{"http.request.method", "GET", Known, ""},
		{"http.response.status_code", int64(200), Known, ""},
		{"http.response.status_code", "200", WrongType, "is string and should be int"},
		{"http.request.header.accept", []any{"text/html"}, Known, ""},
		{"http.request.header.accept", `["text/html"]`, Known, ""}, // as Jaeger keeps it
		{"http.request.header.accept", "text/html", WrongType, "is string and should be string[]"},
		{"http.request.header.accept", []any{int64(1)}, WrongType, "is int[] and should be string[]"},
		{"http.method", "GET", Deprecated, "is now http.request.method"},
		{"http.method", int64(1), Deprecated, "is now http.request.method"},
		{"net.peer.name", "h", Deprecated, "is now server.address, client.address"},
		{"message.id", int64(1), Deprecated, "is no longer used"},
		{"messaging.message_id", "1", Deprecated, "is now messaging.message.id"}, // before the registry
		{"http.target", "/", Deprecated, "is now url.path, url.query"},
		{"http.request_content_length", int64(1), Deprecated, "is now http.request.header.content-length"},
		{"error.message", "x", Deprecated, "is no longer used"},
		{"gen_ai.request.model", "x", Known, ""}, // in a registry of its own by now
		{"gen_ai.system", "x", Deprecated, "is now gen_ai.provider.name"},
		{"http.nonsense", "x", Unknown, "is not among the attributes http.* of the conventions"},
		{"sql.method", "Exec", Custom, "is no attribute of the conventions"},
		{"throughline.message.attempt", int64(1), Custom, "is no attribute of the conventions"},
		{"error", true, Custom, "is no attribute of the conventions"}, // a namespace has a dot behind it
		{"url.full", nil, Known, ""},
	} {
		verdict, why := Judge(c.key, c.value)
		assert.Equal(t, c.verdict, verdict, "%s: %v", c.key, c.value)
		assert.Equal(t, c.why, why, "%s: %v", c.key, c.value)
	}
}

func TestTheRegistryIsOfOneRelease(t *testing.T) {
	assert.Equal(t, "1.43.0", Version())
	deprecated := 0
	for key := range Keys() {
		a, _ := Lookup(key)
		assert.NotEmpty(t, a.Type, key)
		assert.NotEmpty(t, a.Stability, key)
		if a.Deprecated != "" {
			deprecated++
		}
	}
	assert.Greater(t, deprecated, 100)
}
