package evaluate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"throughline/internal/stack"
)

// compose controls the parts that Docker Compose has started, by its command line.
// It is the root of the source tree.
type compose struct{ root string }

func (c compose) Kill(ctx context.Context, part string) error {
	_, err := c.docker(ctx, "compose", "kill", "--signal", "SIGKILL", part)
	return err
}

func (c compose) Stop(ctx context.Context, part string) error {
	_, err := c.docker(ctx, "compose", "stop", part)
	return err
}

// Fixed says where the settings are.
func (c compose) Fixed() string {
	return "under Docker Compose the parts and their settings are those of docker-compose.yml: evaluate the native stack for it"
}

// Start cannot give a part other variables than those of docker-compose.yml.
func (c compose) Start(ctx context.Context, part string, env ...string) error {
	if len(env) > 0 {
		return errors.New(c.Fixed())
	}
	_, err := c.docker(ctx, "compose", "up", "--detach", "--wait", "--no-deps", part)
	return err
}

// RunCollector would need a container that docker-compose.yml does not have.
func (c compose) RunCollector(context.Context, string, []string, ...string) (*stack.Collector, error) {
	return nil, errors.New(c.Fixed())
}

// Sampling is not changed: docker-compose.sampling.yml makes another stack.
func (c compose) Sampling(context.Context, bool, ...string) error {
	return errors.New(c.Fixed())
}

// BrokerAlarm is not brought about, as the faults that need it do not apply.
func (c compose) BrokerAlarm(context.Context, bool) error { return errors.New(c.Fixed()) }

// QueueMembers are not known: it is one node.
func (c compose) QueueMembers(context.Context, string) (string, []string, error) {
	return "", nil, errors.New(c.Fixed())
}

// LockDatabase is not brought about either.
func (c compose) LockDatabase(context.Context) (func(context.Context) error, error) {
	return nil, errors.New(c.Fixed())
}

// versions are those of the images; of what is built here there is none.
func (c compose) versions(ctx context.Context) (map[string]string, error) {
	lines, err := c.docker(ctx, "compose", "ps", "--format", "{{.Service}} {{.Image}}")
	if err != nil {
		return nil, err
	}
	versions := map[string]string{}
	for line := range strings.Lines(lines) {
		service, image, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, tag, tagged := strings.Cut(image, ":"); tagged {
			versions[service] = strings.TrimPrefix(tag, "v")
		} else {
			versions[service] = "source"
		}
	}
	return versions, nil
}

// Usage reads what the processes of the container take, on Docker's own machine.
func (c compose) Usage(part string) (stack.Usage, error) {
	ctx := context.Background()
	container, err := c.docker(ctx, "compose", "ps", "--quiet", part)
	if err != nil {
		return stack.Usage{}, err
	}
	text, err := c.docker(ctx, "inspect", "--format", "{{.State.Pid}}", container)
	if err != nil {
		return stack.Usage{}, err
	}
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 {
		return stack.Usage{}, fmt.Errorf("%s does not run", part)
	}
	return stack.UsageOfTree(pid)
}

// DiskUsage is not known: a volume belongs to Docker.
func (c compose) DiskUsage(string) (int64, error) {
	return 0, errors.New("the size of a volume is not measured")
}

func (c compose) docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = c.root
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %.500s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
