package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsers(t *testing.T) {
	require.Len(t, Users, 10)
	require.Equal(t, User{ID: 1, Mobile: "13800000001"}, Users[0])
	require.Equal(t, User{ID: 10, Mobile: "13800000010"}, Users[9])
	require.JSONEq(t, `{"mobile":"13800000003","password":"demo-password"}`, string(Users[2].LoginBody()))
}

func answer(t *testing.T, status int, body string, header ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestLogIn(t *testing.T) {
	login, err := LogIn(t.Context(), answer(t, 200, "{}", TraceIDHeader, "0af7651916cd43dd8448eb211c80319c")+"/", Users[1])
	require.NoError(t, err)
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", login.TraceID)
	require.EqualValues(t, 2, login.User.ID)

	_, err = LogIn(t.Context(), answer(t, 200, "{}"), Users[0])
	require.ErrorContains(t, err, "without a header X-Trace-Id")
	require.NotErrorIs(t, err, ErrUnavailable)

	_, err = LogIn(t.Context(), answer(t, 401, `{"code":"unauthenticated"}`), Users[0])
	require.ErrorContains(t, err, "401 Unauthorized")
	require.NotErrorIs(t, err, ErrUnavailable)
	require.NotContains(t, err.Error(), Users[0].Mobile)

	_, err = LogIn(t.Context(), answer(t, 503, ""), Users[0])
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = LogIn(t.Context(), "http://127.0.0.1:1", Users[0])
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "127.0.0.1:1")
}

func TestWaitForAudit(t *testing.T) {
	reads := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads++
		if reads == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		require.Equal(t, "limit=5&trace_id=abc&user_id=7", r.URL.RawQuery)
		_ = json.NewEncoder(w).Encode(Audit{Total: reads - 2, Logins: []StoredLogin{{UserID: 7}}})
	}))
	t.Cleanup(server.Close)
	filter := AuditFilter{UserID: 7, TraceID: "abc", Limit: 5}
	audit, err := WaitForAudit(t.Context(), server.URL, filter, func(a Audit) bool { return a.Total > 0 })
	require.NoError(t, err)
	require.Equal(t, Audit{Total: 1, Logins: []StoredLogin{{UserID: 7}}}, audit)

	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	audit, err = WaitForAudit(ctx, server.URL, filter, func(Audit) bool { return false })
	require.NoError(t, err, "what was read last is an answer, too")
	require.Positive(t, audit.Total)

	_, err = WaitForAudit(ctx, answer(t, 200, "<html>"), filter, func(Audit) bool { return true })
	require.Error(t, err)
}
