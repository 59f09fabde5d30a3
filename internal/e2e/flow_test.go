package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/replay"
	"throughline/rabbitmq/rabbitmqtest"
)

// said waits until the service has logged a line with all the words.
func said(t *testing.T, service string, began time.Time, within time.Duration, words ...string) {
	t.Helper()
	query := fmt.Sprintf("{service_name=%q}", service)
	for _, word := range words {
		query += fmt.Sprintf(" |= %q", word)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		lines, err := backend.NewLoki(target.LokiURL).Lines(t.Context(), query, backend.Window{Start: began, End: time.Now()}, 1)
		require.NoError(c, err)
		assert.NotEmpty(c, lines, query)
	}, within, 100*time.Millisecond)
}

// A database that is away is no fault of the messages.
func TestOutageOfTheDatabaseUsesUpNoAttempts(t *testing.T) {
	giveBack, err := running.LockDatabase(t.Context())
	require.NoError(t, err)
	defer func() { _ = giveBack(context.WithoutCancel(t.Context())) }() // also when the test fails

	const messages = 40
	ch, user, began := publisher(t), newUser(), time.Now()
	for range messages {
		publish(t, ch, amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(user)})
	}
	// After about 20 s; six attempts by way of the retry queues take as long.
	said(t, "audit-mq", began, time.Minute, "waits 5s")
	require.NoError(t, giveBack(t.Context()))
	audit := waitForRows(t, user, messages, 30*time.Second)
	for _, row := range audit.Logins {
		assert.Equal(t, 1, row.Attempt)
	}
}

// RabbitMQ reads no more of a connection that has published while it is short of
// memory: acknowledgements, too, would lie there unread.
func TestAlarmOfTheBrokerStopsNeitherConsumerNorAnswers(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	const messages = 300
	ch, user := channel(t), newUser()
	require.NoError(t, running.Stop(t.Context(), "audit-mq"))
	for range messages {
		publishTo(t, ch, "", auditQueue, amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(user)})
	}
	defer func() {
		assert.NoError(t, running.BrokerAlarm(t.Context(), false))
		assert.NoError(t, running.Start(t.Context(), "audit-mq"))
		requireLoginsWorkWithin(t, 30*time.Second)
	}()
	require.NoError(t, running.BrokerAlarm(t.Context(), true))
	require.NoError(t, running.Start(t.Context(), "audit-mq", "AUDIT_MQ_FAILURE_RATIO=0.1"))
	waitForRows(t, user, messages, time.Minute)

	login(t) // the broker blocks a connection once it publishes
	require.Eventually(t, func() bool {
		began := time.Now()
		answer := login(t)
		return answer.StatusCode == http.StatusServiceUnavailable && time.Since(began) < 500*time.Millisecond && answer.Header.Get("Retry-After") != ""
	}, 10*time.Second, 100*time.Millisecond, "logins are refused at once")
	(&extra{address: target.LoginURL}).requireNotReady(t, "blocked by RabbitMQ")
	require.Eventually(t, func() bool { return firing(t, "BrokerAlarm", "") }, time.Minute, time.Second)

	began := time.Now()
	require.NoError(t, running.Stop(t.Context(), "audit-mq"))
	assert.Less(t, time.Since(began), 10*time.Second, "it stops by itself")
}

func TestHeadersThatDoNotFitKnockTheConsumerNotOver(t *testing.T) {
	logFile := filepath.Join(running.RunDir(), "logs", "audit-mq.log")
	before, err := os.Stat(logFile)
	require.NoError(t, err)
	ch, innocent := publisher(t), newUser()
	var giants []string
	for range 4 {
		id := uuid.NewString()
		giants = append(giants, id)
		publish(t, ch, amqp.Publishing{MessageId: id, Body: loggedIn(0), Headers: amqp.Table{"giant": strings.Repeat("h", 130_800)}}) // of 131,072
		publish(t, ch, amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(innocent)})
	}
	waitForRows(t, innocent, 4, 30*time.Second)
	for _, id := range giants {
		dead := deadLetter(t, id, time.Minute)
		assert.Contains(t, dead.Headers["x-dead-letter-reason"], "CHECK constraint failed")
		assert.EqualValues(t, 6, dead.Headers["x-attempts"])
		assert.EqualValues(t, 1, dead.Headers["x-headers-left-behind"], "the giant")
	}
	content, err := os.ReadFile(logFile)
	require.NoError(t, err)
	assert.NotContains(t, string(content[before.Size():]), "session of audit-mq", "none is lost")
}

// A client that keeps a connection must not find it closed after go-zero's 8 s.
func TestIdleConnectionsStayOpen(t *testing.T) {
	t.Parallel()
	for _, service := range []string{target.LoginURL, target.AuditURL} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(service, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		answer, err := io.ReadAll(conn)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "the server has closed it: %s", answer)
	}
}

func TestLoginThatIsSentAgainIsStoredOnce(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	logIn := func(user demo.User, key string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.LoginURL(target.LoginURL), bytes.NewReader(user.LoginBody()))
		require.NoError(t, err)
		request.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		return answer.Header.Get(demo.TraceIDHeader)
	}
	key := uuid.NewString()
	traces := []string{logIn(demo.Users[0], key), logIn(demo.Users[0], key)}
	another := logIn(demo.Users[1], key)
	rows := func(trace string) int {
		requireWhole(t, []demo.Login{{TraceID: trace}}, 30*time.Second, jaeger()) // it has been handled
		audit, err := demo.ReadAudit(t.Context(), target.AuditURL, demo.AuditFilter{TraceID: trace})
		require.NoError(t, err)
		return audit.Total
	}
	assert.Equal(t, 1, rows(traces[0])+rows(traces[1]), "the same login")
	assert.Equal(t, 1, rows(another), "another user's key is another key")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.LoginURL(target.LoginURL), bytes.NewReader(demo.Users[0].LoginBody()))
	require.NoError(t, err)
	request.Header.Set("Idempotency-Key", strings.Repeat("k", 257))
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
}

func TestReplayReturnsTheDeadLettersThatAreChosen(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second) // audit-mq, which makes the queues, is there
	ch, user := channel(t), newUser()
	trace := strings.ReplaceAll(uuid.NewString(), "-", "")
	headers := func(trace string) amqp.Table {
		return amqp.Table{"x-dead-letter-reason": "replay test", "x-attempts": int32(6), "traceparent": "00-" + trace + "-b7ad6b7169203331-01"}
	}
	chosen, other := uuid.NewString(), uuid.NewString()
	publishTo(t, ch, "", deadQueue, amqp.Publishing{MessageId: chosen, Body: loggedIn(user), Headers: headers(trace)})
	publishTo(t, ch, "", deadQueue, amqp.Publishing{MessageId: other, Body: loggedIn(user), Headers: headers(strings.Repeat("1", 32))})
	options := replay.Options{RabbitMQURL: running.Endpoints().RabbitMQ, Reason: "replay test"}
	report, err := replay.Run(t.Context(), options)
	require.NoError(t, err)
	require.Len(t, report.Letters, 2)
	var text bytes.Buffer
	require.NoError(t, report.Print(&text))
	assert.Contains(t, text.String(), "nothing is moved without --apply")
	assert.Contains(t, text.String(), chosen)
	waitForRows(t, user, 0, time.Second)

	options.TraceID, options.Apply = trace, true
	report, err = replay.Run(t.Context(), options)
	require.NoError(t, err)
	require.Len(t, report.Letters, 1)
	audit := waitForRows(t, user, 1, 30*time.Second)
	assert.Equal(t, trace, audit.Logins[0].TraceID, "it is still the same trace")
	assert.Equal(t, 1, audit.Logins[0].Attempt)
	deadLetter(t, other, 20*time.Second)
}

func TestServiceWhosePortIsTakenSaysSo(t *testing.T) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(target.LoginURL, "http://"))
	require.NoError(t, err)
	for _, service := range []string{"login-api", "audit-mq"} {
		said, status := runExtra(t, service, "LOGIN_API_PORT="+port, "AUDIT_MQ_PORT="+port, "RABBITMQ_URL="+running.Endpoints().RabbitMQ).wait()
		assert.Equal(t, 1, status, service)
		assert.Contains(t, said, "address already in use")
		assert.NotContains(t, said, "goroutine ", "it does not crash")
	}
}

func TestReadinessSaysWhyAServiceWaits(t *testing.T) {
	url, stop, err := rabbitmqtest.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, stop()) })
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	for _, service := range []string{"login-api", "audit-mq"} {
		why := "NOT_FOUND"
		if service == "audit-mq" { // which would make the queue
			why = "PRECONDITION_FAILED"
			_, err = ch.QueueDeclare(auditQueue, true, false, false, false, nil) // a classic one
			require.NoError(t, err)
		}
		e := runExtra(t, service, "RABBITMQ_URL="+url)
		e.requireNotReady(t, why, auditQueue)
		alive, err := http.Get(e.address + "/healthz") //nolint:noctx // it answers at once
		require.NoError(t, err)
		require.NoError(t, alive.Body.Close())
		assert.Equal(t, http.StatusOK, alive.StatusCode)
		_, status := e.stop()
		assert.Zero(t, status)
	}
}

func TestMalformedBrokerAddressKeepsItsPassword(t *testing.T) {
	for _, url := range []string{"amqp://guest:se#cret@127.0.0.1:5672/", "http://guest:se-cret@127.0.0.1/", "amqp://guest:se cret@127.0.0.1/"} {
		e := runExtra(t, "login-api", "RABBITMQ_URL="+url)
		e.requireNotReady(t, "RABBITMQ_URL is not an AMQP address")
		said, _ := e.stop()
		assert.Contains(t, said, "RABBITMQ_URL is not an AMQP address")
		assert.NotContains(t, said, "cret@")
	}
}

func TestDataAndLogsAreTheOwnersAlone(t *testing.T) {
	mode := func(parts ...string) os.FileMode {
		info, err := os.Stat(filepath.Join(append([]string{running.RunDir()}, parts...)...))
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	for _, service := range []string{"user-rpc", "audit-mq", "jaeger", "tempo", "loki", "prometheus", "rabbitmq", "otel-collector"} {
		assert.Equal(t, os.FileMode(0o700), mode("data", service), service)
		assert.Equal(t, os.FileMode(0o600), mode("logs", service+".log"), service)
	}
	assert.Equal(t, os.FileMode(0o700), mode("logs"))
	for _, file := range []string{"user-rpc/users.db", "audit-mq/audit.db", "audit-mq/audit.db-wal"} {
		assert.Equal(t, os.FileMode(0o600), mode("data", file), file)
	}
}

func TestTokenOfALoginOpensTheProtectedRoute(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	answer, err := http.Post(demo.LoginURL(target.LoginURL), "application/json", bytes.NewReader(demo.Users[2].LoginBody())) //nolint:noctx // it answers soon
	require.NoError(t, err)
	var login struct {
		AccessToken  string
		AccessExpire int64
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&login))
	require.NoError(t, answer.Body.Close())

	me := func(token string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.LoginURL+"/v1/me", nil)
		require.NoError(t, err)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, errors.Join(err, answer.Body.Close()))
		return answer.StatusCode, string(body)
	}
	status, body := me(login.AccessToken)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, fmt.Sprintf(`{"userId": %d, "accessExpire": %d}`, demo.Users[2].ID, login.AccessExpire), body)
	for _, token := range []string{"", "nonsense", login.AccessToken + "x", "eyJhbGciOiJub25lIn0.eyJ1c2VySWQiOjF9."} {
		status, body := me(token)
		assert.Equal(t, http.StatusUnauthorized, status, token)
		assert.Contains(t, body, "unauthenticated")
	}
}

func TestSecretThatIsTooShortIsRefused(t *testing.T) {
	for _, secret := range []string{"#short", "short"} {
		said, status := runExtra(t, "login-api", "LOGIN_API_ACCESS_SECRET="+secret, "RABBITMQ_URL="+running.Endpoints().RabbitMQ).wait()
		assert.Equal(t, 1, status)
		assert.Contains(t, said, "LOGIN_API_ACCESS_SECRET")
		assert.NotContains(t, said, secret)
	}
}

func TestWrongSettingLeavesTheServiceRunning(t *testing.T) {
	user := newUser()
	require.ErrorContains(t, running.Start(t.Context(), "audit-mq", "AUDIT_MQ_DELAY=1h"), "AUDIT_MQ_DELAY")
	publish(t, publisher(t), amqp.Publishing{MessageId: uuid.NewString(), Body: loggedIn(user)})
	waitForRows(t, user, 1, 10*time.Second)
}

func TestTwoOfEachServiceShareTheWork(t *testing.T) {
	requireLoginsWorkWithin(t, 30*time.Second)
	settings := []string{
		"OTEL_SDK_DISABLED=false", "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + target.OTLPGRPC, "OTEL_BSP_SCHEDULE_DELAY=200",
		"RABBITMQ_URL=" + running.Endpoints().RabbitMQ, "USER_RPC_TARGET=" + running.Endpoints().UserRPC,
		"AUDIT_DB=" + filepath.Join(running.RunDir(), "data", "audit-mq", "audit.db"),
	}
	login, audit := runExtra(t, "login-api", settings...), runExtra(t, "audit-mq", settings...)
	for _, e := range []*extra{login, audit} {
		requireReady(t, e.address)
	}
	const each = 40
	var logins []demo.Login
	for i := range each {
		for _, address := range []string{target.LoginURL, login.address} {
			one, err := demo.LogIn(t.Context(), address, demo.Users[i%len(demo.Users)])
			require.NoError(t, err)
			logins = append(logins, one)
		}
	}
	requireWhole(t, logins, time.Minute, jaeger(), tempo())
	for _, l := range logins {
		rows, err := demo.ReadAudit(t.Context(), target.AuditURL, demo.AuditFilter{TraceID: l.TraceID})
		require.NoError(t, err)
		assert.Equal(t, 1, rows.Total, l.TraceID)
	}
	said, status := audit.stop()
	assert.Zero(t, status)
	assert.Contains(t, said, "is stored", "it has had its share")
	_, status = login.stop()
	assert.Zero(t, status)
}
