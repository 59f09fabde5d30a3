package evaluate

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

// A slow call adds a line to a login's five: it was written and sent, so it counts.
func TestEveryLineOfALoginIsCounted(t *testing.T) {
	var streams []string
	for _, line := range []struct{ trace, service string }{
		{"1", "login-api"}, {"1", "user-rpc"}, {"1", "user-rpc"}, {"1", "audit-mq"}, {"1", "audit-mq"}, {"1", "audit-mq"},
		{"2", "login-api"}, {"2", "user-rpc"}, {"2", "audit-mq"}, {"2", "audit-mq"},
		{"of somebody else", "login-api"},
	} {
		streams = append(streams, fmt.Sprintf(`{"stream":{"trace_id":%q,"service_name":%q},"values":[["1","a line"]]}`, line.trace, line.service))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"streams","result":[%s]}}`, strings.Join(streams, ","))
	}))
	t.Cleanup(server.Close)
	one, two := login{traceID: "1"}, login{traceID: "2"}
	f := &followed{}
	missing, err := newLab(targetAt(server.URL), nil, plan{}, t.Output()).lookForLines(t.Context(), f, []login{one, two}, backend.Last(time.Second))
	require.NoError(t, err)
	require.Equal(t, 1, missing)
	require.Equal(t, missingServices{two: {"user-rpc"}}, f.logs)
	require.Equal(t, 10, f.lines)
}
