package e2e

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sync/errgroup"

	"throughline/internal/demo"
	"throughline/internal/load"
	"throughline/internal/rabbitmq"
	"throughline/internal/stack"
)

// nodes are the parts of a broker of three.
var nodes = []string{"rabbitmq", "rabbitmq-2", "rabbitmq-3"}

// startCluster runs user-rpc, audit-mq and a broker of three nodes; the services send
// their telemetry to the stack that all tests share.
func startCluster(t *testing.T) *stack.Stack {
	t.Helper()
	_, collector, err := net.SplitHostPort(target.OTLPGRPC)
	require.NoError(t, err)
	s, _ := ownStack(t, map[string]string{"RABBITMQ_NODES": "3", "COLLECTOR_OTLP_GRPC_PORT": collector})
	var group errgroup.Group
	for _, part := range append([]string{"user-rpc", "audit-mq"}, nodes...) {
		group.Go(func() error { return s.Start(t.Context(), part) })
	}
	require.NoError(t, group.Wait())
	return s
}

// requireMembers waits until audit-mq's queue has a member on each of the three nodes,
// and returns the one that leads.
func requireMembers(t *testing.T, s *stack.Stack) (leader string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var online []string
		var err error
		leader, online, err = s.QueueMembers(t.Context(), auditQueue)
		require.NoError(c, err)
		assert.NotEmpty(c, leader)
		assert.Len(c, online, 3)
	}, time.Minute, 500*time.Millisecond)
	return leader
}

// requireStoredOnce waits until audit-mq has a row of each login, and wants no other
// and no dead letter.
func requireStoredOnce(t *testing.T, s *stack.Stack, logins []demo.Login) {
	t.Helper()
	for _, login := range logins {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		rows, err := demo.WaitForAudit(ctx, s.Endpoints().AuditMQ, demo.AuditFilter{TraceID: login.TraceID}, func(a demo.Audit) bool { return a.Total > 0 })
		cancel()
		require.NoError(t, err)
		require.Equal(t, 1, rows.Total, "trace %s is stored once", login.TraceID)
	}
	conn, ch, err := rabbitmq.Open(s.Endpoints().RabbitMQ)
	require.NoError(t, err)
	defer conn.Close()
	dead, err := ch.QueueDeclarePassive(deadQueue, true, false, false, false, nil)
	require.NoError(t, err)
	assert.Zero(t, dead.Messages, "dead letters")
}

func TestBrokerOfThreeNodes(t *testing.T) {
	t.Parallel()
	s := startCluster(t)
	t.Run("loses the leader", func(t *testing.T) { losesTheLeader(t, s) })
	t.Run("is partitioned", func(t *testing.T) { isPartitioned(t, s) })
}

// Twice the node that leads audit-mq's queue is killed: just before login-api publishes
// for the first time, and in the middle of its load.
func losesTheLeader(t *testing.T, s *stack.Stack) {
	leader := requireMembers(t, s)
	urls := rabbitmq.Addresses(strings.ReplaceAll(s.Endpoints().RabbitMQ, "throughline", "login-api"))
	next := slices.Index(nodes, leader) + 1 // login-api is not connected to the leader
	require.NoError(t, s.Start(t.Context(), "login-api", "RABBITMQ_URL="+strings.Join(slices.Concat(urls[next:], urls[:next]), ",")))
	api := s.Endpoints().LoginAPI
	requireReady(t, api)

	var acknowledged []demo.Login
	answers := make(chan struct{}, 10_000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	loaded := make(chan struct{})
	for killed := range 2 {
		require.NoError(t, s.Kill(leader))
		if killed == 0 {
			go func() {
				defer close(loaded)
				load.Drive(ctx, load.Logins(api), vegeta.Rate{Freq: 20, Per: time.Second}, 5*time.Minute, func(answer load.Answer) {
					if answer.OK() {
						acknowledged = append(acknowledged, demo.Login{TraceID: answer.TraceID})
						answers <- struct{}{}
					}
				})
			}()
		}
		var meanwhile demo.Login
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			var err error
			meanwhile, err = demo.LogIn(t.Context(), api, demo.Users[0])
			require.NoError(c, err)
		}, 20*time.Second, 50*time.Millisecond, "login-api goes on with the other nodes")
		requireStoredOnce(t, s, []demo.Login{meanwhile}) // so does audit-mq
		require.NoError(t, s.Start(t.Context(), leader))
		leader = requireMembers(t, s)
	}
	for len(answers) > 0 {
		<-answers
	}
	for range 20 {
		<-answers
	}
	stop()
	<-loaded

	requireStoredOnce(t, s, acknowledged)
	requireWhole(t, acknowledged[:20], time.Minute, jaeger(), tempo())
}

// The node that leads audit-mq's queue is cut off from the other two under load, and
// comes back when the cut is healed, with nobody's help.
func isPartitioned(t *testing.T, s *stack.Stack) {
	api := s.Endpoints().LoginAPI
	requireReady(t, api)
	cut := requireMembers(t, s)
	acknowledged, refused := logInWhile(t, api, func() {
		require.NoError(t, s.Partition(t.Context(), cut, true))
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			leader, online, err := s.QueueMembers(t.Context(), auditQueue)
			require.NoError(c, err)
			assert.NotContains(c, []string{"", cut}, leader)
			assert.Len(c, online, 2)
		}, time.Minute, 500*time.Millisecond)
		requireReady(t, api)
		require.NoError(t, s.Partition(t.Context(), cut, false))
		requireMembers(t, s)
	})
	t.Logf("%d logins acknowledged, %d refused", len(acknowledged), refused)
	requireStoredOnce(t, s, acknowledged)
	requireWhole(t, acknowledged[len(acknowledged)-5:], time.Minute, jaeger(), tempo())
}
