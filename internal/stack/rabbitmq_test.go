package stack_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
)

// node is a private RabbitMQ node, of a stack of its own.
type node struct {
	*stack.Stack
	environment *stacktest.Environment
}

func startNode(t *testing.T) node {
	t.Helper()
	return startNodeWith(t, nil)
}

func startNodeWith(t *testing.T, env map[string]string) node {
	t.Helper()
	n := node{environment: &stacktest.Environment{Set: env}}
	var err error
	if n.Stack, err = stacktest.New(n.environment); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(context.Background(), "rabbitmq"); err != nil {
			t.Error(err)
		}
		if taken := n.environment.TakenPorts(); len(taken) > 0 {
			t.Errorf("something still listens on %v", taken)
		}
		if err := os.RemoveAll(n.RunDir()); err != nil {
			t.Error(err)
		}
	})
	n.start(t)
	return n
}

func (n node) start(t *testing.T) {
	t.Helper()
	begin := time.Now()
	if err := n.Start(t.Context(), "rabbitmq"); err != nil {
		t.Fatal(err)
	}
	for _, status := range n.Status(t.Context()) {
		if status.Name == "rabbitmq" {
			t.Logf("ready after %.1f s, %d MB, version %s", time.Since(begin).Seconds(), status.Memory/1e6, status.Version)
			if status.State != stack.Running || status.Version == "" {
				t.Errorf("status %+v, want it to run in a known version", status)
			}
		}
	}
}

func (n node) channel(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(n.Endpoints().RabbitMQ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return channel
}

const queueName = "survivors"

// publish puts a message into a quorum queue and waits until it is confirmed.
func (n node) publish(t *testing.T, body string) {
	t.Helper()
	channel := n.channel(t)
	if _, err := channel.QueueDeclare(queueName, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	if err := channel.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := channel.PublishWithDeferredConfirm("", queueName, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := confirm.WaitContext(t.Context()); err != nil || !ok {
		t.Fatalf("the message was not confirmed: %v", err)
	}
}

func (n node) expect(t *testing.T, body string) {
	t.Helper()
	message, ok, err := n.channel(t).Get(queueName, true)
	if err != nil || !ok || string(message.Body) != body {
		t.Errorf("got %q, %v, %v; want %q", message.Body, ok, err, body)
	}
}

func TestRabbitMQKeepsWhatItConfirmed(t *testing.T) {
	n := startNode(t)
	n.publish(t, "stopped")
	if err := n.Stop(t.Context(), "rabbitmq"); err != nil {
		t.Fatal(err)
	}
	if taken := n.environment.TakenPorts(); len(taken) > 0 {
		t.Fatalf("after stop something still listens on %v", taken)
	}
	n.start(t)
	n.expect(t, "stopped")

	n.publish(t, "killed")
	if err := n.Kill("rabbitmq"); err != nil {
		t.Fatal(err)
	}
	if taken := n.environment.TakenPorts(); len(taken) > 0 {
		t.Fatalf("after kill something still listens on %v", taken)
	}
	n.start(t)
	n.expect(t, "killed")
}

func TestTwoRabbitMQNodesSideBySide(t *testing.T) {
	const password = "not-the-known_one"
	a, b := startNode(t), startNodeWith(t, map[string]string{"RABBITMQ_OWNER_PASSWORD": password})
	a.publish(t, "for a")
	b.publish(t, "for b")
	if err := b.Stop(t.Context(), "rabbitmq"); err != nil {
		t.Fatal(err)
	}
	a.expect(t, "for a")

	log, err := os.ReadFile(filepath.Join(b.RunDir(), "logs", "rabbitmq.log"))
	require.NoError(t, err)
	require.NotContains(t, string(log), password)
}

func TestPasswordOfTheBrokerThatDoesNotFitIsRefusedAndNotRepeated(t *testing.T) {
	for _, variable := range []string{"RABBITMQ_OWNER_PASSWORD", "RABBITMQ_LOGIN_API_PASSWORD", "RABBITMQ_AUDIT_MQ_PASSWORD", "RABBITMQ_MANAGEMENT_PASSWORD"} {
		const password = `se"cret`
		_, err := stacktest.New(&stacktest.Environment{Set: map[string]string{variable: password}})
		require.ErrorContains(t, err, variable)
		require.NotContains(t, err.Error(), password)

		script := exec.Command("../../rabbitmq/definitions.sh")
		script.Env = append(os.Environ(), variable+"="+password)
		said, err := script.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(said), variable)
		require.NotContains(t, string(said), password)
	}
}

// A run of the installation that was killed leaves its policy behind, which must
// not be taken for the user's by the next.
func TestInstallationThatWasKilledLeavesNoPolicy(t *testing.T) {
	script, err := os.ReadFile("../../rabbitmq/install.sh")
	require.NoError(t, err)
	for name, own := range map[string]string{"none of the user's": "", "the user's": "#!/bin/sh\nexit 7\n"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			policy := filepath.Join(dir, "policy-rc.d")
			if own != "" {
				require.NoError(t, os.WriteFile(policy, []byte(own), 0o755))
			}
			run := func(aptGet string) error {
				for tool, body := range map[string]string{"apt-get": aptGet, "systemctl": "exit 0", "update-rc.d": "exit 0"} {
					require.NoError(t, os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
				}
				cmd := exec.Command("sh", "-c", strings.ReplaceAll(string(script), "/usr/sbin/policy-rc.d", policy))
				cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
				return cmd.Run()
			}
			require.Error(t, run("kill -9 $PPID"))
			require.FileExists(t, policy, "what the killed run has left")
			require.NoError(t, run("exit 0"))
			left, err := os.ReadFile(policy)
			if own == "" {
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.NoError(t, err)
			require.Equal(t, own, string(left))
		})
	}
}
