package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/demo"
)

// post sends a login from a loopback address, each of which login-api takes for
// another client.
func post(t *testing.T, from, loginAPI string, body []byte) (status int, retryAfter time.Duration) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.LoginURL(loginAPI), bytes.NewReader(body))
	require.NoError(t, err)
	answer, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return answer.StatusCode, time.Duration(seconds) * time.Second
}

// The stack's own login-api has no limit for this machine: the other tests log in.
func TestLoginsAreLimitedByAddressAndByAccount(t *testing.T) {
	limited := runExtra(t, "login-api", "OTEL_SDK_DISABLED=false", "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+target.OTLPGRPC, "OTEL_METRIC_EXPORT_INTERVAL=500",
		"RABBITMQ_URL="+running.Endpoints().RabbitMQ, "USER_RPC_TARGET="+running.Endpoints().UserRPC, "LOGIN_API_ADDRESS_LIMIT=3")
	const stranger, owner, flooder = "127.0.0.2", "127.0.0.3", "127.0.0.4"
	right := demo.Users[4].LoginBody()
	wrong := []byte(`{"mobile":"` + demo.Users[4].Mobile + `","password":"guess"}`)
	require.Eventually(t, func() bool {
		answer, err := http.Get(limited.address + "/readyz") //nolint:noctx // it answers at once
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, 20*time.Second, 50*time.Millisecond)

	for range 10 {
		status, _ := post(t, stranger, limited.address, wrong)
		require.Equal(t, http.StatusUnauthorized, status)
	}
	for _, body := range [][]byte{wrong, right} {
		status, wait := post(t, stranger, limited.address, body)
		assert.Equal(t, http.StatusTooManyRequests, status)
		assert.LessOrEqual(t, wait, 5*time.Second)
		assert.Positive(t, wait)
	}
	status, _ := post(t, owner, limited.address, right)
	assert.Equal(t, http.StatusOK, status, "the owner, during the flood")
	require.Eventually(t, func() bool {
		status, _ := post(t, stranger, limited.address, right)
		return status == http.StatusOK
	}, 10*time.Second, 200*time.Millisecond, "the delay is short")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for status != http.StatusTooManyRequests {
		require.NoError(t, ctx.Err(), "no login of a flood was refused")
		status, _ = post(t, flooder, limited.address, demo.Users[5].LoginBody())
	}
	requireSeries(t, `sum(login_attempts_total{result="resource_exhausted"}) >= 3`)
	_, exit := limited.stop()
	assert.Zero(t, exit)
}
