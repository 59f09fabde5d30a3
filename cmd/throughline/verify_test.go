package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without a stack: what the command makes of a flow that is not as it should be.
func TestAFlowThatIsRed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	file, junit := filepath.Join(dir, "order.yaml"), filepath.Join(dir, "order.xml")
	require.NoError(t, os.WriteFile(file, []byte("flow: order\ntrigger: {http: {url: "+server.URL+"}}\nspans: [{span: a, service: b, kind: server}]\n"), 0o600))
	var out, errOut bytes.Buffer
	require.Equal(t, exitFailure, run([]string{"verify", "--flow", file, "--junit", junit, "--json"}, &out, &errOut))
	assert.Contains(t, errOut.String(), "GET "+server.URL+" answers 404 Not Found")
	assert.Contains(t, errOut.String(), "order is not as "+file+" says")
	var result struct {
		OK       bool
		Findings []struct{ Kind, Message string }
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &result))
	assert.False(t, result.OK)
	assert.Equal(t, "trigger", result.Findings[0].Kind)
	report, err := os.ReadFile(junit)
	require.NoError(t, err)
	assert.Contains(t, string(report), `tests="1" failures="1"`)
}

func TestVerifyAndDoctorSayWhatTheyWant(t *testing.T) {
	for want, args := range map[string][]string{
		"flows/ has examples":     {"verify", "--flow", "none.yaml"},
		"--junit is for --flow":   {"verify", "--junit", "a.xml"},
		`"12" is not a trace id`:  {"doctor", "12"},
		"--limit 0":               {"doctor", "--limit", "0"},
		`--target "podman": give`: {"doctor", "--target", "podman"},
		"--threshold 101":         {"score", "--threshold", "101"},
	} {
		var out, errOut bytes.Buffer
		require.Equal(t, exitFailure, run(args, &out, &errOut))
		require.Contains(t, errOut.String(), want)
		require.Empty(t, out.String())
	}
}
