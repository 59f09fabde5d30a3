package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeCommand lists two faults, notes that it was called, and brings one about until
// it is interrupted; broken fails at once.
const fakeCommand = `#!/bin/sh
trap 'echo put back >>"$0.calls"; exit 0' INT
echo "$*" >>"$0.calls"
case "$2" in
--json) echo '[{"name":"slow","does":"a","look":"b"},{"name":"broken","does":"c","look":"d"}]' ;;
broken) printf 'broken for 5s\nthroughline: the stack does not run\n' >&2; exit 1 ;;
*) while :; do sleep 0.05; done ;;
esac
`

type faultStatus struct {
	Faults  []knownFault
	Running *struct {
		Name  string
		Until time.Time
	}
	Failed string
}

func withFaults(t *testing.T) (h http.Handler, calls func() string) {
	t.Helper()
	command := filepath.Join(t.TempDir(), "throughline")
	require.NoError(t, os.WriteFile(command, []byte(fakeCommand), 0o755))
	faults := NewFaults(command)
	t.Cleanup(faults.End)
	return serving(t, page, Config{Faults: faults, AllowedHosts: []string{"192.0.2.7"}}), func() string {
		text, _ := os.ReadFile(command + ".calls")
		return string(text)
	}
}

// askHere asks as the console's own page on this machine does, but for the headers.
func askHere(t *testing.T, h http.Handler, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	return askFrom(t, h, "127.0.0.1:50000", method, path, body, append([]string{"Origin", "http://127.0.0.1:3300", "Sec-Fetch-Site", "same-origin"}, headers...)...)
}

func askFrom(t *testing.T, h http.Handler, peer, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:3300"+path, strings.NewReader(body))
	request.RemoteAddr = peer
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
		}
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder.Result()
}

func status(t *testing.T, response *http.Response) (s faultStatus) {
	t.Helper()
	require.NoError(t, json.NewDecoder(response.Body).Decode(&s))
	return s
}

const slow = `{"name": "slow", "seconds": 60}`

func TestAFaultIsStartedAndEnded(t *testing.T) {
	h, calls := withFaults(t)
	found := status(t, askHere(t, h, http.MethodGet, faultsPath, "", "Origin", ""))
	assert.Equal(t, []knownFault{{"slow", "a", "b"}, {"broken", "c", "d"}}, found.Faults)
	assert.Nil(t, found.Running)

	response := askHere(t, h, http.MethodPost, faultsPath, slow)
	assert.Equal(t, http.StatusAccepted, response.StatusCode)
	started := status(t, response)
	require.NotNil(t, started.Running)
	assert.Equal(t, "slow", started.Running.Name)
	assert.WithinDuration(t, time.Now().Add(time.Minute), started.Running.Until, 10*time.Second)
	require.Eventually(t, func() bool { return strings.Contains(calls(), "fault slow --duration 1m0s") }, 5*time.Second, 10*time.Millisecond)

	again := askHere(t, h, http.MethodPost, faultsPath, slow)
	assert.Equal(t, http.StatusConflict, again.StatusCode)
	assert.Contains(t, complaint(t, again), "slow goes on until")

	for range 2 { // a second signal would end the command before it has put back everything
		assert.Equal(t, http.StatusAccepted, askHere(t, h, http.MethodPost, endFaultPath, "").StatusCode)
	}
	require.Eventually(t, func() bool {
		return status(t, askHere(t, h, http.MethodGet, faultsPath, "")).Running == nil
	}, 5*time.Second, 10*time.Millisecond)
	assert.Equal(t, 1, strings.Count(calls(), "put back"))
	assert.Empty(t, status(t, askHere(t, h, http.MethodGet, faultsPath, "")).Failed)
}

func TestWhyAFaultFailedIsTold(t *testing.T) {
	h, _ := withFaults(t)
	assert.Equal(t, http.StatusAccepted, askHere(t, h, http.MethodPost, faultsPath, `{"name": "broken", "seconds": 5}`).StatusCode)
	require.Eventually(t, func() bool {
		return status(t, askHere(t, h, http.MethodGet, faultsPath, "")).Failed == "throughline: the stack does not run"
	}, 5*time.Second, 10*time.Millisecond)
}

func TestNoFaultIsStartedFromElsewhere(t *testing.T) {
	h, calls := withFaults(t)
	for name, refused := range map[string]struct {
		response *http.Response
		status   int
		says     string
	}{
		"another machine":              {askFrom(t, h, "192.0.2.1:50000", http.MethodPost, faultsPath, slow, "Origin", "http://127.0.0.1:3300"), http.StatusForbidden, "own machine"},
		"another machine reads":        {askFrom(t, h, "192.0.2.1:50000", http.MethodGet, faultsPath, ""), http.StatusForbidden, "own machine"},
		"another name of this machine": {askHere(t, h, http.MethodPost, faultsPath, slow, "Host", "192.0.2.7:3300", "Origin", "http://192.0.2.7:3300"), http.StatusForbidden, "127.0.0.1 or localhost"},
		"a foreign name":               {askHere(t, h, http.MethodPost, faultsPath, slow, "Host", "evil.example", "Origin", "http://evil.example"), http.StatusForbidden, "evil.example"},
		"another site's page":          {askHere(t, h, http.MethodPost, faultsPath, slow, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "own page"},
		"another port's page":          {askHere(t, h, http.MethodPost, faultsPath, slow, "Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "same-site"), http.StatusForbidden, "own page"},
		"an old browser's page":        {askHere(t, h, http.MethodPost, faultsPath, slow, "Origin", "http://evil.example", "Sec-Fetch-Site", ""), http.StatusForbidden, "own page"},
		"a page behind a proxy":        {askHere(t, h, http.MethodPost, faultsPath, slow, "Origin", "https://console.example"), http.StatusForbidden, "own page"},
		"a page without an origin":     {askHere(t, h, http.MethodPost, faultsPath, slow, "Origin", "null"), http.StatusForbidden, "own page"},
		"no page":                      {askHere(t, h, http.MethodPost, faultsPath, slow, "Origin", "", "Sec-Fetch-Site", ""), http.StatusForbidden, "own page"},
		"a link":                       {askHere(t, h, http.MethodGet, endFaultPath, ""), http.StatusMethodNotAllowed, "POST"},
		"PUT":                          {askHere(t, h, http.MethodPut, faultsPath, slow), http.StatusMethodNotAllowed, "POST"},
		"no such fault":                {askHere(t, h, http.MethodPost, faultsPath, `{"name": "--help", "seconds": 60}`), http.StatusBadRequest, `no fault "--help"`},
		"for no time":                  {askHere(t, h, http.MethodPost, faultsPath, `{"name": "slow"}`), http.StatusBadRequest, "5s to 10m0s"},
		"for a day":                    {askHere(t, h, http.MethodPost, faultsPath, `{"name": "slow", "seconds": 86400}`), http.StatusBadRequest, "5s to 10m0s"},
		"no JSON":                      {askHere(t, h, http.MethodPost, faultsPath, "name=slow"), http.StatusBadRequest, "give {"},
	} {
		assert.Equal(t, refused.status, refused.response.StatusCode, name)
		assert.Contains(t, complaint(t, refused.response), refused.says, name)
	}
	assert.NotContains(t, calls(), "slow")
	for _, peer := range []string{"127.0.0.1:50000", "[::1]:50000", "192.0.2.1:50000"} {
		config := map[string]any{}
		require.NoError(t, json.NewDecoder(askFrom(t, h, peer, http.MethodGet, "/api/config", "").Body).Decode(&config))
		assert.Equal(t, peer != "192.0.2.1:50000", config["faults"], peer)
	}
}

func TestThereAreNoFaultsUnlessTheyAreAllowed(t *testing.T) {
	h := serving(t, page, Config{})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, path := range []string{faultsPath, endFaultPath} {
			response := askHere(t, h, method, path, slow)
			assert.Equal(t, http.StatusNotFound, response.StatusCode)
			assert.Contains(t, complaint(t, response), "CONSOLE_FAULTS=allow")
		}
	}
	config := map[string]any{}
	require.NoError(t, json.NewDecoder(askHere(t, h, http.MethodGet, "/api/config", "").Body).Decode(&config))
	assert.Equal(t, false, config["faults"])
}
