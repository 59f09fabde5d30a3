package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/load"
)

// wholeTrace is the number of spans of one login.
const wholeTrace = 8

func login(t *testing.T) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.LoginURL(target.LoginURL), strings.NewReader(string(demo.Users[0].LoginBody())))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response
}

// requireLoginsWorkWithin waits until 50 logins in a row succeed. One would not do: go-zero's breaker
// lets one request a second through while it is open, and refuses the next.
func requireLoginsWorkWithin(t *testing.T, d time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		for range 50 {
			if login(t).StatusCode != http.StatusOK {
				return false
			}
		}
		return true
	}, d, 50*time.Millisecond, "logins work again")
}

func requireUnavailable(t *testing.T) {
	t.Helper()
	began := time.Now()
	response := login(t)
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.NotEmpty(t, response.Header.Get("Retry-After"))
	assert.Len(t, response.Header.Get(demo.TraceIDHeader), 32)
	assert.Less(t, time.Since(began), 5*time.Second, "the wait is bounded")
}

// requireWhole waits until both stores hold all of every login's trace.
func requireWhole(t *testing.T, logins []demo.Login, within time.Duration, stores ...backend.TraceStore) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(4)
	for _, l := range logins {
		for _, store := range stores {
			group.Go(func() error {
				_, err := backend.WaitForSpans(ctx, store, l.TraceID, wholeTrace)
				if err != nil {
					return fmt.Errorf("trace %s in %s: %w", l.TraceID, store.Name(), err)
				}
				return nil
			})
		}
	}
	require.NoError(t, group.Wait())
}

func jaeger() backend.TraceStore { return backend.NewJaeger(target.JaegerURL) }
func tempo() backend.TraceStore  { return backend.NewTempo(target.TempoURL) }

// logInWhile logs in 20 times a second until the function returns, and returns the
// logins that were acknowledged, and how many were not.
func logInWhile(t *testing.T, url string, during func()) (acknowledged []demo.Login, refused int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error {
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-pace.C
			login, err := demo.LogIn(t.Context(), url, demo.Users[i%len(demo.Users)])
			switch {
			case err == nil:
				acknowledged = append(acknowledged, login)
			case errors.Is(err, demo.ErrUnavailable):
				refused++
			default:
				return err
			}
		}
		return nil
	})
	func() {
		defer stop()
		during()
	}()
	require.NoError(t, group.Wait())
	return acknowledged, refused
}

func logIn(t *testing.T, n int) []demo.Login {
	t.Helper()
	logins := make([]demo.Login, n)
	for i := range logins {
		// After a fault go-zero's breaker still refuses a share of the calls for
		// some seconds: a client tries again.
		require.Eventually(t, func() bool {
			var err error
			logins[i], err = demo.LogIn(t.Context(), target.LoginURL, demo.Users[i%len(demo.Users)])
			return err == nil
		}, 30*time.Second, 50*time.Millisecond)
	}
	return logins
}

// restart also brings back a part that a failed test has left stopped.
func restart(t *testing.T, part string) {
	t.Helper()
	require.NoError(t, running.Stop(context.WithoutCancel(t.Context()), part))
	require.NoError(t, running.Start(context.WithoutCancel(t.Context()), part))
}

func TestUserRPCAway(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	require.NoError(t, running.Kill("user-rpc"))
	requireUnavailable(t)
	require.NoError(t, running.Start(t.Context(), "user-rpc"))
	requireLoginsWorkWithin(t, 30*time.Second)
}

func TestBrokerAway(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	require.NoError(t, running.Stop(t.Context(), "rabbitmq"))
	requireUnavailable(t)
	require.NoError(t, running.Start(t.Context(), "rabbitmq"))
	requireLoginsWorkWithin(t, 30*time.Second)
}

// A login that was answered 200 has its row, once, when the broker is stopped in order;
// the evaluation kills it.
func TestBrokerRestartedUnderLoad(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	user := demo.AuditFilter{UserID: demo.Users[0].ID}
	before, err := demo.ReadAudit(t.Context(), target.AuditURL, user)
	require.NoError(t, err)
	restarted := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := demo.WaitForAudit(ctx, target.AuditURL, user, func(a demo.Audit) bool { return a.Total >= before.Total+5 })
		if err == nil {
			err = running.Stop(t.Context(), "rabbitmq")
		}
		if err == nil {
			err = running.Start(t.Context(), "rabbitmq")
		}
		restarted <- err
	}()
	report, err := load.Run(t.Context(), load.Options{
		LoginURL: target.LoginURL, AuditURL: target.AuditURL,
		Rate: 20, Duration: 25 * time.Second, StoreTimeout: time.Minute,
	})
	require.NoError(t, err)
	require.NoError(t, <-restarted)
	assert.Empty(t, report.Events.Error)
	assert.Greater(t, report.Events.Acknowledged, 20)
	assert.Less(t, report.Events.Acknowledged, int(report.Requests), "some logins were refused")
	assert.GreaterOrEqual(t, report.Events.Stored, report.Events.Acknowledged)
	assert.Equal(t, report.Events.Checked, report.Events.CheckedStoredOnce)
}

func TestCollectorKilledLosesNoSpan(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	logins := logIn(t, 20)
	require.NoError(t, running.Kill("otel-collector"))
	logins = append(logins, logIn(t, 20)...)
	require.NoError(t, running.Start(t.Context(), "otel-collector"))
	logins = append(logins, logIn(t, 20)...)
	requireWhole(t, logins, time.Minute, jaeger(), tempo())
}

func TestOneBackendAwayDoesNotHoldUpTheOther(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	for part, stores := range map[string][2]backend.TraceStore{"tempo": {tempo(), jaeger()}, "jaeger": {jaeger(), tempo()}} {
		away, other := stores[0], stores[1]
		require.NoError(t, running.Kill(part))
		logins := logIn(t, 20)
		requireWhole(t, logins, 20*time.Second, other)
		require.NoError(t, running.Start(t.Context(), part))
		requireWhole(t, logins, time.Minute, away)
	}
}

func TestStoppedServicesSendTheirLastSpans(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	logins := logIn(t, 5)
	for _, part := range []string{"login-api", "user-rpc", "audit-mq"} {
		require.NoError(t, running.Stop(t.Context(), part))
	}
	for _, part := range []string{"login-api", "user-rpc", "audit-mq"} {
		require.NoError(t, running.Start(t.Context(), part))
	}
	requireWhole(t, logins, 30*time.Second, jaeger(), tempo())
	requireLoginsWorkWithin(t, 30*time.Second)
}
