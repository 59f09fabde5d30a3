package backend

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var slowLogins = TraceQuery{
	Service: "login-api", Operation: "POST /v1/login", Attribute: "messaging.message.id", Value: `a "b"`,
	MinDuration: 1500 * time.Millisecond, Failed: true, Window: window, Limit: 5,
}

func TestJaegerSearch(t *testing.T) {
	address, asked := answering(t, `{"data":[{"traceID":"af7651916cd43dd8448eb211c80319c","spans":[{"spanID":"1","tags":[]},{"spanID":"2"}]}],"errors":null}`)
	found, err := NewJaeger(address).Search(t.Context(), slowLogins)
	require.NoError(t, err)
	require.Equal(t, []FoundTrace{{ID: traceID, Spans: 2}}, found)
	require.Equal(t, "/api/traces", asked().Path)
	require.Equal(t, url.Values{
		"service": {"login-api"}, "operation": {"POST /v1/login"}, "tags": {`{"error":"true","messaging.message.id":"a \"b\""}`},
		"minDuration": {"1.5s"}, "start": {"1700000000000000"}, "end": {"1700000060500000"}, "limit": {"5"},
	}, asked().Query())

	_, err = NewJaeger(address).Search(t.Context(), TraceQuery{Window: window, Limit: 1})
	require.NoError(t, err)
	require.Len(t, asked().Query(), 3, "what is not asked for is not sent: %s", asked())
}

func TestTempoSearch(t *testing.T) {
	address, asked := answering(t, `{"traces":[{"traceID":"af7651916cd43dd8448eb211c80319c","spanSets":[{"matched":2},{"matched":1}]}]}`)
	found, err := NewTempo(address).Search(t.Context(), slowLogins)
	require.NoError(t, err)
	require.Equal(t, []FoundTrace{{ID: traceID, Spans: 3}}, found)
	require.Equal(t, "/api/search", asked().Path)
	require.Equal(t, `{ resource.service.name = "login-api" && name = "POST /v1/login" && span.messaging.message.id = "a \"b\"" && status = error && duration >= 1.5s }`,
		asked().Query().Get("q"))

	_, err = NewTempo(address).Search(t.Context(), TraceQuery{Window: window, Limit: 1})
	require.NoError(t, err)
	require.Equal(t, "{  }", asked().Query().Get("q"), "every span")
}

func TestTempoCountSpans(t *testing.T) {
	address, asked := answering(t, `{"traces":[{"traceID":"af7651916cd43dd8448eb211c80319c","spanSets":[{"matched":1},{"matched":2}]}]}`)
	spans, err := NewTempo(address).CountSpans(t.Context(), traceID, window, 8)
	require.NoError(t, err)
	require.Equal(t, 2, spans, "one that is stored twice is one")
	require.Contains(t, asked().Query().Get("q"), `"af7651916cd43dd8448eb211c80319c"`, "Tempo knows the id without its zeros")
	require.Equal(t, "8", asked().Query().Get("limit"))
}

func TestSearchWithoutMatch(t *testing.T) {
	for _, store := range []TraceSearcher{
		NewJaeger(serve(t, http.StatusOK, []byte(`{"data":[],"total":0,"errors":null}`))),
		NewTempo(serve(t, http.StatusOK, []byte(`{"traces":[],"metrics":{}}`))),
	} {
		found, err := store.Search(t.Context(), slowLogins)
		require.NoError(t, err, store.Name())
		require.Empty(t, found, store.Name())
	}
	spans, err := NewTempo(serve(t, http.StatusOK, []byte(`{"traces":[]}`))).CountSpans(t.Context(), traceID, window, 8)
	require.NoError(t, err)
	require.Zero(t, spans)
}

func TestSearchErrorsNameQueryAndAddress(t *testing.T) {
	for name, address := range map[string]string{
		"refused": serve(t, http.StatusBadRequest, []byte("parameter 'service' is required")),
		"garbage": serve(t, http.StatusOK, []byte("<html>")),
	} {
		for _, store := range []TraceSearcher{NewJaeger(address), NewTempo(address)} {
			_, err := store.Search(t.Context(), slowLogins)
			require.ErrorContains(t, err, store.Phrase(slowLogins), name)
			require.ErrorContains(t, err, address, name)
		}
	}
}
