package kubernetes

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// composed returns the parts of docker-compose.yml.
func composed(t *testing.T) map[string]types.ServiceConfig {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	options, err := cli.NewProjectOptions(nil, cli.WithWorkingDirectory(dir), cli.WithDefaultConfigPath, cli.WithEnvFiles(), cli.WithDotEnv)
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	delete(project.Services, "prepare") // runs once, to give Docker's volumes an owner
	for name, service := range project.Services {
		if service.Image == "" {
			service.Image = project.Name + "-" + name // as `docker compose build` calls it
			project.Services[name] = service
		}
	}
	return project.Services
}

// onlyHere are variables that Compose does without.
var onlyHere = map[string][]string{
	"": {"POD_NAME", "POD_NAMESPACE", "POD_UID", "OTEL_RESOURCE_ATTRIBUTES"},
	// In Compose they stand in RABBITMQ_URL.
	"login-api": {"RABBITMQ_LOGIN_API_PASSWORD"},
	"audit-mq":  {"RABBITMQ_AUDIT_MQ_PASSWORD"},
}

func TestPartsAreThoseOfCompose(t *testing.T) {
	m, compose := small(t), composed(t)
	var here, there []string
	for name := range m.parts {
		here = append(here, name)
	}
	for name := range compose {
		there = append(there, name)
	}
	require.ElementsMatch(t, there, here)
	for name, service := range compose {
		p := m.parts[name]
		assert.Equal(t, service.Image, p.container.Image, name)
		assert.Equal(t, []string(service.Command), p.container.Args, "%s: its arguments", name)
		assert.Empty(t, p.container.Command, name)
		assert.Equal(t, int64(service.MemLimit), p.container.Resources.Limits.Memory().Value(), "%s: its memory limit", name)
		who := p.template.Spec.SecurityContext
		require.True(t, who.RunAsUser != nil && who.RunAsGroup != nil, name)
		assert.Equal(t, service.User, fmt.Sprintf("%d:%d", *who.RunAsUser, *who.RunAsGroup), name)

		// A stop waits for what the program still has to send: Docker's default is 10 s, that of Kubernetes 30 s.
		grace, sleep := 30*time.Second, time.Duration(0)
		if given := p.template.Spec.TerminationGracePeriodSeconds; given != nil {
			grace = time.Duration(*given) * time.Second
		}
		if hooks := p.container.Lifecycle; hooks != nil && hooks.PreStop != nil {
			sleep = time.Duration(hooks.PreStop.Sleep.Seconds) * time.Second
		}
		if service.StopGracePeriod != nil {
			assert.GreaterOrEqual(t, grace-sleep, time.Duration(*service.StopGracePeriod), "%s: how long it may take to stop", name)
		}

		var ports, published []int
		for _, port := range m.services[name].Spec.Ports {
			ports = append(ports, int(port.Port))
		}
		for _, port := range service.Ports {
			published = append(published, int(port.Target))
		}
		assert.Subset(t, ports, published, "%s: the ports of its Service", name)

		var kept, volumes []string
		for _, mount := range p.container.VolumeMounts {
			for _, claim := range p.claims {
				if claim.Name == mount.Name {
					kept = append(kept, mount.MountPath)
				}
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeVolume && volume.Target != "/probe" {
				volumes = append(volumes, volume.Target)
			}
		}
		assert.ElementsMatch(t, volumes, kept, "%s: what outlives it", name)
	}
}

func TestEnvironmentIsThatOfCompose(t *testing.T) {
	m := small(t)
	for name, service := range composed(t) {
		here, there := m.environment(t, name), map[string]string{}
		for variable, value := range service.Environment {
			if value != nil { // otherwise a person's shell may give one
				there[variable] = *value
			}
		}
		for _, variable := range append(onlyHere[""], onlyHere[name]...) {
			delete(here, variable)
		}
		if name == "login-api" {
			assert.Contains(t, there["LOGIN_API_UNLIMITED_CALLERS"], here["LOGIN_API_UNLIMITED_CALLERS"])
			for _, variable := range []string{"LOGIN_API_UNLIMITED_CALLERS", "LOGIN_API_ADDRESS_LIMIT"} {
				delete(here, variable)
				delete(there, variable) // of the limit it is the default of the configuration
			}
		}
		assert.Equal(t, there, here, name)
	}
}

// Each is byte for byte the file that Compose mounts at the same place.
func TestConfigurationsAreTheFilesOfTheRepository(t *testing.T) {
	m := small(t)
	for name, service := range composed(t) {
		there := map[string]string{}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			require.NoError(t, filepath.WalkDir(volume.Source, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() || strings.Contains(path, "/rules/tests/") {
					return err
				}
				content, err := os.ReadFile(path)
				there[volume.Target+strings.TrimPrefix(path, volume.Source)] = string(content)
				return err
			}))
		}
		here := m.files(t, name)
		for path, content := range there {
			held, mounted := here[path]
			assert.True(t, mounted, "%s lacks %s", name, path)
			assert.True(t, held == content, "%s: %s is not the file of the repository", name, path)
		}
		for path := range here {
			assert.Contains(t, there, path, name)
		}
	}
}
