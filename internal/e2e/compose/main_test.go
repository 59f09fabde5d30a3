// Package compose tests docker-compose.yml on a Docker Engine, as its user would see
// it: under a project name of its own, on free ports, upgraded from an earlier
// version with its data, and broken. `make e2e-compose` runs it; `make test` does not.
package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joho/godotenv"

	"throughline/internal/demo"
	"throughline/internal/e2e/deployed"
	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
	"throughline/internal/verify"
)

const (
	// upgradeFrom is the version that is upgraded.
	upgradeFrom = "f6bfe50"
	oneTier     = "docker-compose.yml"

	samplingOverlay = "docker-compose.sampling.yml"
	twoTiers        = oneTier + ":" + samplingOverlay
)

// What every test of this package uses: one running project.
var (
	running *stack.Stack // the same ports natively
	target  verify.Target
	// left out are parts whose image cannot be had here.
	leftOut []string
	// before and waiting were acknowledged before the upgrade: of the last nothing
	// had left the queue.
	before, waiting []demo.Login
)

func TestMain(m *testing.M) { stacktest.Main(m, run) }

func run(m *testing.M) (status int, err error) {
	ctx := context.Background()
	if _, err := deployed.Output(ctx, "", "docker", "version"); err != nil {
		return 1, fmt.Errorf("nothing was tested, as no Docker Engine answers: %w", err)
	}
	environment := &stacktest.Environment{}
	if running, err = stacktest.New(environment); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(running.RunDir())) }()
	target = verify.TargetOf(running)
	if err := setVariables(environment); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, down(ctx)) }()
	if err := up(ctx); err != nil {
		return 1, err
	}
	if status = m.Run(); status != 0 {
		logs, err := compose(ctx, "logs", "--no-color", "--timestamps")
		kept := filepath.Join(os.TempDir(), os.Getenv("COMPOSE_PROJECT_NAME")+".log")
		return status, errors.Join(err, os.WriteFile(kept, []byte(logs), 0o600), fmt.Errorf("the logs of the failed run are kept in %s", kept))
	}
	return 0, nil
}

var portVariable = regexp.MustCompile(`\$\{([A-Z_]+_PORT):-`)

// setVariables sets those that this process's docker, throughline and evaluation have in common.
func setVariables(environment *stacktest.Environment) error {
	text, err := os.ReadFile(filepath.Join(running.Root(), oneTier))
	if err != nil {
		return err
	}
	variables := map[string]string{
		"COMPOSE_PROJECT_NAME": fmt.Sprintf("throughline-e2e-%d", os.Getpid()),
		"COMPOSE_FILE":         oneTier,
		"THROUGHLINE_RUN_DIR":  running.RunDir(),
	}
	for _, match := range portVariable.FindAllStringSubmatch(string(text), -1) {
		variables[match[1]] = environment.Getenv(match[1])
	}
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// up starts the earlier version, logs in, and upgrades to the present one.
func up(ctx context.Context) error {
	versions, err := godotenv.Read(filepath.Join(running.Root(), "versions.env"))
	if err != nil {
		return err
	}
	for part, image := range map[string]string{
		"grafana": "grafana/grafana:" + versions["GRAFANA_VERSION"],
		"console": "node:" + versions["NODE_VERSION"] + "-slim", // builds its page
	} {
		if _, err := deployed.Output(ctx, "", "docker", "image", "inspect", image); err == nil {
			continue
		}
		if _, err := deployed.Output(ctx, "", "docker", "pull", "--quiet", image); err != nil {
			leftOut = append(leftOut, part)
			fmt.Fprintf(os.Stderr, "%s is left out, as its image cannot be had here: %v\n", part, err)
		}
	}
	if err := upEarlier(ctx); err != nil {
		return fmt.Errorf("version %s, which is to be upgraded: %w", upgradeFrom, err)
	}
	return upIn(ctx, running.Root(), "--build")
}

func upEarlier(ctx context.Context) error {
	if _, err := deployed.Output(ctx, running.Root(), "git", "cat-file", "-e", upgradeFrom+"^{commit}"); err != nil {
		fmt.Fprintf(os.Stderr, "no upgrade is tested, as this copy has no version %s in its history\n", upgradeFrom)
		return nil
	}
	tree, err := os.MkdirTemp("", "throughline-earlier-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree) // the containers of the present version mount other files
	archive := filepath.Join(tree, "earlier.tar")
	if _, err := deployed.Output(ctx, running.Root(), "git", "archive", "--output", archive, upgradeFrom); err != nil {
		return err
	}
	if _, err := deployed.Output(ctx, tree, "tar", "--extract", "--file", archive); err != nil {
		return err
	}
	if err := upIn(ctx, tree, "--build"); err != nil {
		return err
	}
	if before, err = deployed.LogIn(ctx, target.LoginURL, 20); err != nil {
		return err
	}
	if _, err := deployed.Output(ctx, tree, "docker", "compose", "stop", "audit-mq"); err != nil {
		return err
	}
	waiting, err = deployed.LogIn(ctx, target.LoginURL, 5)
	return err
}

// upIn brings up what docker-compose.yml of a source tree has, but for what is left
// out: with a scale of 0 its image would be asked for, too.
func upIn(ctx context.Context, tree string, options ...string) error {
	services, err := served(ctx, tree)
	if err != nil {
		return err
	}
	_, err = deployed.Output(ctx, tree, "docker", slices.Concat([]string{"compose", "up", "--detach", "--wait"}, options, services)...)
	return err
}

// served are the services whose images can be had.
func served(ctx context.Context, tree string) ([]string, error) {
	services, err := deployed.Output(ctx, tree, "docker", "compose", "config", "--services")
	return slices.DeleteFunc(strings.Fields(services), func(name string) bool { return slices.Contains(leftOut, name) }), err
}

// down leaves nothing behind, of the earlier version neither.
func down(ctx context.Context) error {
	_, err := compose(ctx, "down", "--volumes", "--remove-orphans", "--rmi", "local")
	volumes, listed := deployed.Output(ctx, "", "docker", "volume", "ls", "--quiet", "--filter", "label=com.docker.compose.project="+os.Getenv("COMPOSE_PROJECT_NAME"))
	if err = errors.Join(err, listed); volumes != "" {
		_, removed := deployed.Output(ctx, "", "docker", append([]string{"volume", "rm"}, strings.Fields(volumes)...)...)
		err = errors.Join(err, removed)
	}
	return err
}

func compose(ctx context.Context, args ...string) (string, error) {
	return deployed.Output(ctx, running.Root(), "docker", append([]string{"compose"}, args...)...)
}
