package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the broker's users may do is what all other tests show; this is what they
// may not. The password of each is its name.
func TestBrokersUsersMayDoNoMoreThanTheyNeed(t *testing.T) {
	get := func(ch *amqp.Channel, queue string) error {
		_, _, err := ch.Get(queue, false)
		return err
	}
	declare := func(ch *amqp.Channel, queue string) error {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		return err
	}
	remove := func(ch *amqp.Channel, queue string) error {
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	}
	const anotherQueue = "user.events.other"
	for _, not := range []struct {
		user, what string
		do         func(*amqp.Channel) error
	}{
		{"login-api", "read the audit queue", func(ch *amqp.Channel) error { return get(ch, auditQueue) }},
		{"login-api", "read the dead letters", func(ch *amqp.Channel) error { return get(ch, deadQueue) }},
		{"login-api", "delete the audit queue", func(ch *amqp.Channel) error { return remove(ch, auditQueue) }},
		{"login-api", "make a queue", func(ch *amqp.Channel) error { return declare(ch, anotherQueue) }},
		{"login-api", "publish past its exchange", func(ch *amqp.Channel) error { return publishAndWait(t, ch, "", auditQueue) }},
		{"audit-mq", "read the dead letters", func(ch *amqp.Channel) error { return get(ch, deadQueue) }},
		{"audit-mq", "make another queue", func(ch *amqp.Channel) error { return declare(ch, anotherQueue) }},
		{"monitoring", "read the audit queue", func(ch *amqp.Channel) error { return get(ch, auditQueue) }},
		{"monitoring", "make a queue", func(ch *amqp.Channel) error { return declare(ch, anotherQueue) }},
		{"monitoring", "publish", func(ch *amqp.Channel) error { return publishAndWait(t, ch, "", auditQueue) }},
		{"audit-mq", "publish a login", func(ch *amqp.Channel) error { return publishAndWait(t, ch, exchange, routingKey) }},
	} {
		conn, err := amqp.Dial(brokerAs(t, not.user, not.user))
		require.NoError(t, err)
		ch, err := conn.Channel()
		require.NoError(t, err)
		assert.ErrorContains(t, not.do(ch), "ACCESS_REFUSED", "%s may not %s", not.user, not.what)
		require.NoError(t, conn.Close())
	}
	for user, password := range map[string]string{"guest": "guest", "login-api": "audit-mq"} {
		_, err := amqp.Dial(brokerAs(t, user, password))
		assert.Error(t, err, user)
	}
}

// A page in a browser reaches the management API, and the passwords may be the known ones.
func TestNobodyChangesTheBrokerByItsManagementAPI(t *testing.T) {
	ask := func(method, path, user string) int {
		request, err := http.NewRequestWithContext(t.Context(), method, running.Endpoints().RabbitMQManagement+path, strings.NewReader("{}"))
		require.NoError(t, err)
		request.SetBasicAuth(user, user)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	assert.Equal(t, http.StatusOK, ask(http.MethodGet, "/api/queues", "monitoring"))
	for path, method := range map[string]string{
		"/api/users/mallory": http.MethodPut, "/api/vhosts/mallory": http.MethodPut, "/api/permissions/%2F/monitoring": http.MethodPut,
		"/api/queues/%2F/mallory": http.MethodPut, "/api/queues/%2F/" + auditQueue: http.MethodDelete, "/api/queues/%2F/" + auditQueue + "/contents": http.MethodDelete,
	} {
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, ask(method, path, "monitoring"), path)
	}
	for _, user := range []string{"guest", "throughline", "login-api", "audit-mq"} {
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, ask(http.MethodGet, "/api/overview", user), user)
	}
}

func brokerAs(t *testing.T, user, password string) string {
	t.Helper()
	address, err := url.Parse(running.Endpoints().RabbitMQ)
	require.NoError(t, err)
	address.User = url.UserPassword(user, password)
	return address.String()
}

// publishAndWait returns what the broker says of a message, which is nothing when it
// takes it.
func publishAndWait(t *testing.T, ch *amqp.Channel, exchange, key string) error {
	t.Helper()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Confirm(false); err != nil {
		return err
	}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), exchange, key, false, false, amqp.Publishing{Body: []byte("not a login")})
	if err != nil {
		return err
	}
	if confirm.Wait() {
		return nil
	}
	return <-closed
}
