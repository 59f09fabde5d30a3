// Package kubernetes tests deploy/kubernetes/small on the cluster of kubectl's current
// context, whose nodes have its images, in the namespace that it makes and takes away.
// `make e2e-kubernetes` runs it; `make test` does not.
package kubernetes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/demo"
	"throughline/internal/e2e/deployed"
	"throughline/internal/portforward"
	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
	"throughline/internal/verify"
)

const (
	overlay   = "deploy/kubernetes/small"
	namespace = "throughline"
	// patience is how long a part may take to become ready.
	patience = 5 * time.Minute
)

var (
	root string
	// workloads are those whose image can be had, as kubectl names them.
	workloads []string
)

func TestMain(m *testing.M) { stacktest.Main(m, run) }

func run(m *testing.M) (status int, err error) {
	ctx := context.Background()
	if _, err := kubectl(ctx, "version"); err != nil {
		return 1, fmt.Errorf("nothing was tested, as no cluster answers: %w", err)
	}
	found, err := kubectl(ctx, "get", "namespace", namespace, "--ignore-not-found", "--output", "name")
	if err != nil {
		return 1, err
	}
	if found != "" {
		return 1, fmt.Errorf("the cluster has a namespace %s, which this test would change and take away: use another cluster, or kubectl delete namespace %s", namespace, namespace)
	}
	native, err := stacktest.New(&stacktest.Environment{})
	if err != nil {
		return 1, err
	}
	root = native.Root()
	defer func() { err = errors.Join(err, os.RemoveAll(native.RunDir())) }()
	defer func() {
		_, deleted := kubectl(ctx, "delete", "namespace", namespace)
		err = errors.Join(err, deleted)
	}()
	if _, err := kubectl(ctx, "apply", "--kustomize", overlay); err != nil {
		return 1, err
	}
	if err := awaitWorkloads(ctx); err != nil {
		return 1, err
	}
	if status = m.Run(); status != 0 {
		return status, keepLogs(ctx)
	}
	return 0, nil
}

// keepLogs is for a run that failed.
func keepLogs(ctx context.Context) error {
	kept, err := os.CreateTemp("", "throughline-e2e-*.log")
	if err != nil {
		return err
	}
	for _, workload := range workloads {
		logs, failed := kubectl(ctx, "logs", workload, "--all-containers", "--prefix", "--timestamps")
		_, written := fmt.Fprintln(kept, logs)
		err = errors.Join(err, failed, written)
	}
	return errors.Join(err, kept.Close(), fmt.Errorf("the logs of the failed run are kept in %s", kept.Name()))
}

// awaitWorkloads waits until all are ready whose image can be had.
func awaitWorkloads(ctx context.Context) error {
	all, err := kubectl(ctx, "get", "statefulsets,deployments", "--output", "name")
	if err != nil {
		return err
	}
	for _, workload := range strings.Fields(all) {
		err := rollout(ctx, workload)
		if err == nil {
			workloads = append(workloads, workload)
			continue
		}
		_, name, _ := strings.Cut(workload, "/")
		waiting, asked := kubectl(ctx, "get", "pods", "--selector", "app.kubernetes.io/name="+name, "--output", "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}")
		if asked != nil || !strings.Contains(waiting, "ImagePull") {
			return errors.Join(err, asked)
		}
		fmt.Fprintf(os.Stderr, "%s is left out, as its image cannot be had here\n", name)
	}
	return nil
}

// rollout waits until the workload is ready, or its image turns out not to be had.
func rollout(ctx context.Context, workload string) error {
	wait := patience
	if strings.HasSuffix(workload, "/grafana") { // of all images, the one that is not built here
		wait = time.Minute
	}
	_, err := kubectl(ctx, "rollout", "status", workload, "--timeout", wait.String())
	return err
}

func TestVerifyPasses(t *testing.T) {
	command := exec.CommandContext(t.Context(), filepath.Join(root, ".build", "bin", "throughline"), "verify", "--target", "kubernetes")
	command.Dir, command.Stdout, command.Stderr = root, t.Output(), t.Output()
	require.NoError(t, command.Run())
}

// Each part gets another pod, one after the other.
func TestARollingUpdateLosesNothing(t *testing.T) {
	logins := deployed.UnderLoad(t, throughTheService(t), func() {
		for _, workload := range workloads {
			_, err := kubectl(t.Context(), "rollout", "restart", workload)
			require.NoError(t, err)
			require.NoError(t, rollout(t.Context(), workload))
		}
	})
	deployed.RequireNothingLost(t, stores(t), logins)
}

// As when the node is drained, or shut down in order.
func TestPodsThatAllEndAtOnceLoseNothing(t *testing.T) {
	loginURL := throughTheService(t)
	var last []demo.Login
	logins := deployed.UnderLoad(t, loginURL, func() {
		var err error
		last, err = deployed.LogIn(t.Context(), loginURL, 50)
		require.NoError(t, err)
		_, err = kubectl(t.Context(), "delete", "pods", "--all")
		require.NoError(t, err)
		for _, workload := range workloads {
			require.NoError(t, rollout(t.Context(), workload))
		}
	})
	deployed.RequireNothingLost(t, stores(t), append(logins, last...))
}

// throughTheService returns an address of login-api that a pod may come and go behind,
// which it may not behind a forwarded port.
func throughTheService(t *testing.T) string {
	t.Helper()
	proxy := exec.CommandContext(t.Context(), "kubectl", "proxy", "--port", "0")
	said, err := proxy.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, proxy.Start())
	t.Cleanup(func() { _ = proxy.Wait() }) // the test's context has ended by then, and it with that
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	_, address, found := strings.Cut(strings.TrimSpace(line), "Starting to serve on ")
	require.True(t, found, line)
	return fmt.Sprintf("http://%s/api/v1/namespaces/%s/services/login-api:8080/proxy", address, namespace)
}

// stores are the parts that hold what logins leave.
func stores(t *testing.T) verify.Target {
	t.Helper()
	ports, stop, err := portforward.Start(t.Context(), namespace, map[string]portforward.Port{
		"AUDIT_MQ_PORT":     {Service: "audit-mq", Number: 8082},
		"JAEGER_QUERY_PORT": {Service: "jaeger", Number: 16686},
		"TEMPO_PORT":        {Service: "tempo", Number: 3200},
		"LOKI_PORT":         {Service: "loki", Number: 3100},
	})
	require.NoError(t, err)
	t.Cleanup(stop)
	s, err := stack.New(root, func(variable string) string {
		if port, is := ports[variable]; is {
			return fmt.Sprint(port)
		}
		return ""
	})
	require.NoError(t, err)
	return verify.TargetOf(s)
}

// kubectl runs it in the namespace.
func kubectl(ctx context.Context, args ...string) (string, error) {
	return deployed.Output(ctx, root, "kubectl", append([]string{"--namespace", namespace}, args...)...)
}
