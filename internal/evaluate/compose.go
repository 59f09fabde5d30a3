package evaluate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/process"

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

// Start cannot give a part other variables than those of docker-compose.yml.
func (c compose) Start(ctx context.Context, part string, env ...string) error {
	if len(env) > 0 {
		return errors.New("under Docker Compose this is not brought about: docker-compose.yml fixes what the part is told; evaluate the native stack for it")
	}
	_, err := c.docker(ctx, "compose", "up", "--detach", "--wait", "--no-deps", part)
	return err
}

// RunCollector would need a container that docker-compose.yml does not have.
func (c compose) RunCollector(context.Context, string, []string, ...string) (*stack.Collector, error) {
	return nil, errors.New("under Docker Compose no collector is run beside the stack's own: evaluate the native stack for it")
}

// Sampling is not changed: docker-compose.sampling.yml makes another stack.
func (c compose) Sampling(context.Context, bool, ...string) error {
	return errors.New("under Docker Compose the tiers are not changed: evaluate the native stack for it")
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
	leader, err := process.NewProcess(int32(pid))
	if err != nil {
		return stack.Usage{}, fmt.Errorf("%s: its process is not seen from here: %w", part, err)
	}
	var usage stack.Usage
	for family := []*process.Process{leader}; len(family) > 0; family = family[1:] {
		p := family[0]
		if times, err := p.Times(); err == nil {
			usage.CPUSeconds += times.User + times.System
		}
		if memory, err := p.MemoryInfo(); err == nil {
			usage.Memory += memory.RSS
		}
		children, _ := p.Children() // none is an error, too
		family = append(family, children...)
	}
	return usage, nil
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
