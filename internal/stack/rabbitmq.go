package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"throughline/internal/probe"
	"throughline/internal/rabbitmq"
)

// brokerNodes are the parts of a broker of three nodes; the first is that of one.
var brokerNodes = []string{"rabbitmq", "rabbitmq-2", "rabbitmq-3"}

// nodeURL is the address of one of our broker's nodes for one of its users.
func (s *Stack) nodeURL(node, user string) string {
	return fmt.Sprintf("amqp://%s:%s@%s/", user, s.broker.passwords[user], s.at(variableOf(node)+"_PORT"))
}

// brokerParts returns the nodes of our broker, or the user's broker.
func (s *Stack) brokerParts(env *environment) []*part {
	if s.broker.external {
		return []*part{{
			name: brokerNodes[0], external: true, address: rabbitmq.Redacted(s.broker.urls),
			ready: probe.AMQP(rabbitmq.Addresses(s.broker.urls)...),
		}}
	}
	binary := s.rabbitmqServer(env)
	var parts []*part
	for i, name := range brokerNodes[:s.broker.nodes] {
		variable := variableOf(name)
		as := func(port string) string {
			return fmt.Sprintf("RABBITMQ%s=%d", port, s.ports[variable+port])
		}
		p := &part{
			name:    name,
			version: rabbitmqVersion(binary),
			binary:  binary,
			ports:   []string{variable + "_PORT", variable + "_MANAGEMENT_PORT", variable + "_DIST_PORT"},
			env: slices.Concat(env.given(slices.Sorted(maps.Values(brokerUsers))...), []string{
				"RABBITMQ_BIN=" + binary,
				"RABBITMQ_DATA_DIR=" + s.dataDir(name),
				as("_PORT"), as("_MANAGEMENT_PORT"), as("_DIST_PORT"),
			}, s.portEnv("RABBITMQ_EPMD_PORT")),
			script:    filepath.Join(s.root, "rabbitmq", "run.sh"),
			files:     []string{"rabbitmq/run.sh", "rabbitmq/definitions.sh", "rabbitmq/rabbitmq.conf", "rabbitmq/enabled_plugins"},
			installer: filepath.Join(s.root, "rabbitmq", "install.sh"),
			otherwise: "install RabbitMQ and set RABBITMQ_BIN to its rabbitmq-server, or set RABBITMQ_URL to a broker that runs",
			address:   "amqp://" + s.at(variable+"_PORT"),
			ready:     probe.AMQP(s.nodeURL(name, brokerOwner)),
			grace:     30 * time.Second,
		}
		if i == 0 {
			p.ports = append(p.ports, "RABBITMQ_EPMD_PORT") // which the nodes share
		}
		if s.broker.nodes > 1 {
			p.env = append(p.env, fmt.Sprintf("RABBITMQ_NODE=%d", i+1))
			p.files = append(p.files, "rabbitmq/join.conf")
			p.begun = func(ctx context.Context) error { return s.joinQueues(ctx, i) }
		}
		parts = append(parts, p)
	}
	return parts
}

// nodeName is the Erlang node of one of brokerNodes.
func (s *Stack) nodeName(i int) string {
	if s.broker.nodes == 1 {
		return "throughline@localhost"
	}
	return fmt.Sprintf("throughline-%d@localhost", i+1)
}

// BrokerNodes returns of how many nodes the broker is that the stack runs; 0 when it is external.
func (s *Stack) BrokerNodes() int {
	if s.broker.external {
		return 0
	}
	return s.broker.nodes
}

// BrokerAlarm makes the private RabbitMQ node raise its memory alarm, in which it
// takes no messages from publishers, or brings back the limit of rabbitmq.conf.
func (s *Stack) BrokerAlarm(ctx context.Context, on bool) error {
	limit := "512MiB"
	if on {
		limit = "1MiB"
	}
	_, err := s.rabbitmqctl(ctx, "set_vm_memory_high_watermark", "absolute", limit)
	return err
}

// Partition cuts one of our broker's nodes off from the others, or heals the cut. They
// go on running, and do not let each other in: the others have another Erlang cookie for
// that node. It stands still while they let go of it: to one that has, RabbitMQ would
// report that another still reaches it, and it would pause, too.
func (s *Stack) Partition(ctx context.Context, name string, on bool) error {
	node := slices.Index(brokerNodes, name)
	var others []string
	for i := range s.broker.nodes {
		if i != node {
			others = append(others, "'"+s.nodeName(i)+"'")
		}
	}
	onOthers := func(function, arguments string) error {
		_, err := s.askNode(ctx, (node+1)%s.broker.nodes, "eval", fmt.Sprintf("rpc:multicall([%s], erlang, %s, ['%s'%s]).", strings.Join(others, ", "), function, s.nodeName(node), arguments))
		return err
	}
	if !on {
		return onOthers("set_cookie", ", erlang:get_cookie()")
	}
	if err := onOthers("set_cookie", ", partitioned"); err != nil {
		return err
	}
	out, err := s.askNode(ctx, node, "eval", "list_to_integer(os:getpid()).")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return fmt.Errorf("the process of %s: %w", name, err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(onOthers("disconnect_node", ""), syscall.Kill(pid, syscall.SIGCONT))
}

// QueueMembers returns the parts on which a quorum queue has members that are
// online, and the one among them that leads it: "" while none does.
func (s *Stack) QueueMembers(ctx context.Context, queue string) (leader string, online []string, err error) {
	out, err := s.rabbitmqctl(ctx, "list_queues", "--formatter", "json", "name", "leader", "online")
	if err != nil {
		return "", nil, err
	}
	var queues []struct {
		Name, Leader string
		Online       []string
	}
	if err := json.Unmarshal(out, &queues); err != nil {
		return "", nil, fmt.Errorf("rabbitmqctl list_queues: %w", err)
	}
	for _, q := range queues {
		if q.Name != queue {
			continue
		}
		for i, name := range brokerNodes[:s.broker.nodes] {
			if slices.Contains(q.Online, s.nodeName(i)) {
				online = append(online, name)
			}
			if q.Leader == s.nodeName(i) {
				leader = name
			}
		}
		return leader, online, nil
	}
	return "", nil, fmt.Errorf("RabbitMQ has no queue %s", queue)
}

// joinQueues makes a node a member of every queue. A queue gets its members when it
// is declared, on the nodes that run then. Nodes join one after the other, as a
// queue takes one change at a time.
func (s *Stack) joinQueues(ctx context.Context, node int) error {
	_, err := s.askNode(ctx, node, "eval", `global:trans({throughline, self()}, fun() -> rabbit_quorum_queue:grow(node(), <<".*">>, <<".*">>, all) end).`)
	return err
}

// rabbitmqctl asks our nodes that run until one answers: one that is cut off does not.
func (s *Stack) rabbitmqctl(ctx context.Context, args ...string) ([]byte, error) {
	if s.broker.external {
		return nil, errors.New("RabbitMQ is external (RABBITMQ_URL): it is not controlled from here")
	}
	failure := errors.New("RabbitMQ does not run")
	for i, name := range brokerNodes[:s.broker.nodes] {
		if !s.readRecord(name).alive() {
			continue
		}
		out, err := s.askNode(ctx, i, args...)
		if err == nil {
			return out, nil
		}
		failure = err
	}
	return nil, failure
}

func (s *Stack) askNode(ctx context.Context, i int, args ...string) ([]byte, error) {
	part, err := s.part(brokerNodes[i])
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(part.binary), "rabbitmqctl"), append([]string{"--node", s.nodeName(i), "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+s.dataDir(brokerNodes[0]), "ERL_EPMD_PORT="+strconv.Itoa(s.ports["RABBITMQ_EPMD_PORT"]), "ERL_FLAGS=-start_epmd false")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rabbitmqctl %s: %w: %.500s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()+string(out)))
	}
	return out, nil
}

// debianRabbitMQ is where Debian's package has the server itself. What it puts
// into the PATH is a wrapper that runs it as another user.
const debianRabbitMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// rabbitmqServer returns the path of rabbitmq-server, installed or not.
func (s *Stack) rabbitmqServer(env *environment) string {
	if given := env.binary("RABBITMQ_BIN"); given != "" {
		return given
	}
	if runtime.GOOS != "linux" {
		if found, err := exec.LookPath("rabbitmq-server"); err == nil {
			return found
		}
	}
	return debianRabbitMQ
}

// rabbitmqVersion reads the version out of the path that the server is linked from.
func rabbitmqVersion(server string) string {
	matches, _ := filepath.Glob(filepath.Join(filepath.Dir(server), "..", "lib", "rabbitmq_server-*"))
	if len(matches) != 1 {
		return ""
	}
	return strings.TrimPrefix(filepath.Base(matches[0]), "rabbitmq_server-")
}
