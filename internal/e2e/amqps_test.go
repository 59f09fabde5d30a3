package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/demo"
	"throughline/internal/stack"
)

// TestMessagesByMutualTLS runs a broker with the configuration of docs/security.md, and
// services that reach it as is said there.
func TestMessagesByMutualTLS(t *testing.T) {
	t.Parallel()
	dir := authorityWith(t, "broker").dir
	_, collector, err := net.SplitHostPort(target.OTLPGRPC)
	require.NoError(t, err)
	s, _ := ownStack(t, map[string]string{"COLLECTOR_OTLP_GRPC_PORT": collector})
	port := strconv.Itoa(stack.UnusedPort())
	page, err := os.ReadFile(filepath.Join(running.Root(), "docs", "security.md"))
	require.NoError(t, err)
	settings := regexp.MustCompile("(?s)```ini\n(.*?)```").FindStringSubmatch(string(page))[1]
	settings = strings.NewReplacer("0.0.0.0:5671", "127.0.0.1:"+port, "/etc/rabbitmq", dir).Replace(settings)
	configuration := filepath.Join(s.RunDir(), "data", "rabbitmq", "conf.d", "throughline")
	require.NoError(t, os.MkdirAll(configuration, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(configuration, "tls.conf"), []byte(settings), 0o600))
	for _, part := range []string{"rabbitmq", "user-rpc"} {
		require.NoError(t, s.Start(t.Context(), part))
	}

	url := func(user, certificate string) string {
		return "RABBITMQ_URL=amqps://" + user + ":" + user + "@127.0.0.1:" + port + "/?cacertfile=" + filepath.Join(dir, "ours-ca.crt") +
			"&certfile=" + filepath.Join(dir, certificate+".crt") + "&keyfile=" + filepath.Join(dir, certificate+".key")
	}
	require.NoError(t, s.Start(t.Context(), "audit-mq", url("audit-mq", "service")))
	requireReady(t, s.Endpoints().AuditMQ)
	require.NoError(t, s.Start(t.Context(), "login-api", url("login-api", "stranger")))
	require.Eventually(t, func() bool {
		answer, err := http.Get(s.Endpoints().LoginAPI + "/readyz")
		require.NoError(t, err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		assert.NotContains(t, string(said), "login-api:login-api")
		return answer.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(said), "tls:")
	}, 30*time.Second, 100*time.Millisecond, "it says that the broker does not take its certificate")

	require.NoError(t, s.Stop(t.Context(), "login-api"))
	require.NoError(t, s.Start(t.Context(), "login-api", url("login-api", "service")))
	requireReady(t, s.Endpoints().LoginAPI)
	login, err := demo.LogIn(t.Context(), s.Endpoints().LoginAPI, demo.Users[0])
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	rows, err := demo.WaitForAudit(ctx, s.Endpoints().AuditMQ, demo.AuditFilter{TraceID: login.TraceID}, func(a demo.Audit) bool { return a.Total > 0 })
	require.NoError(t, err)
	assert.Equal(t, 1, rows.Total)
	requireWhole(t, []demo.Login{login}, time.Minute, jaeger(), tempo())
}
