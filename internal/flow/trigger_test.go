package flow

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const traceID = "0af7651916cd43dd8448eb211c80319c"

// setOffBy sets a flow off whose trigger answers in this way.
func setOffBy(t *testing.T, trigger string, answer http.HandlerFunc) ([]string, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	f, err := read("test.yaml", []byte("flow: a\ntrigger: "+trigger+"\nspans: [{span: a, service: b, kind: server}]\n"), []string{"SERVER=" + server.URL})
	require.NoError(t, err)
	return setOff(t.Context(), time.Now().Add(2*time.Second), Target{}, f)
}

func TestTheTraceOfARequest(t *testing.T) {
	for header, value := range map[string]string{"Traceparent": "00-" + traceID + "-b7ad6b7169203331-01", "X-Trace-Id": traceID} {
		ids, err := setOffBy(t, "{http: {url: '${SERVER}', headers: {A: b}}}", func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "b", r.Header.Get("A"))
			w.Header().Set(header, value)
		})
		require.NoError(t, err)
		assert.Equal(t, []string{traceID}, ids)
	}
	_, err := setOffBy(t, "{http: {url: '${SERVER}'}}", func(http.ResponseWriter, *http.Request) {})
	assert.ErrorContains(t, err, "neither a traceparent nor an X-Trace-Id header: let it have one, or add find to the trigger")
}

func TestARefusedRequestIsSentAgain(t *testing.T) {
	requests := 0
	ids, err := setOffBy(t, "{http: {url: '${SERVER}', status: 202}}", func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("X-Trace-Id", traceID)
		w.WriteHeader(http.StatusAccepted)
	})
	require.NoError(t, err)
	assert.Equal(t, []string{traceID}, ids)

	requests = 0
	_, err = setOffBy(t, "{http: {url: '${SERVER}', status: 202}}", func(w http.ResponseWriter, _ *http.Request) { requests++ })
	assert.ErrorContains(t, err, "answers 200 OK")
	assert.Equal(t, 1, requests, "what is no refusal is not sent again")
}
