// Package compose checks docker-compose.yml, alone and with docker-compose.sampling.yml
// over it, against the native run, without Docker.
package compose

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/joho/godotenv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/stack"
)

const (
	root = "../.."
	// helper is the one service that is not a part: it runs once.
	helper = "prepare"
)

// setUp is a way to run the stack with Compose, and the same natively.
type setUp struct {
	files        []string          // laid one over the other
	native       map[string]string // variables
	memoryBudget types.UnitBytes   // what a laptop can spare
}

var setUps = map[string]setUp{
	"one tier":  {files: []string{"docker-compose.yml"}, memoryBudget: 3.25 * (1 << 30)},
	"two tiers": {files: []string{"docker-compose.yml", "docker-compose.sampling.yml"}, native: map[string]string{"TAIL_SAMPLING": "on"}, memoryBudget: 4 << 30},
}

func inEach(t *testing.T, check func(*testing.T, setUp)) {
	t.Helper()
	for name, s := range setUps {
		t.Run(name, func(t *testing.T) { check(t, s) })
	}
}

// ownBuild are the parts whose image is built from the source tree.
var ownBuild = []string{"login-api", "user-rpc", "audit-mq", "console"}

// load reads the files as `docker compose` does in the root of the source tree:
// with .env, and with the shell's variables over it.
func (s setUp) load(t *testing.T, shell map[string]string) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	var env []string
	for name, value := range shell {
		env = append(env, name+"="+value)
	}
	var paths []string
	if len(s.files) > 1 {
		for _, file := range s.files {
			paths = append(paths, filepath.Join(dir, file))
		}
	}
	options, err := cli.NewProjectOptions(paths,
		cli.WithWorkingDirectory(dir),
		cli.WithEnv(env),
		cli.WithDefaultConfigPath,
		cli.WithEnvFiles(),
		cli.WithDotEnv,
	)
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func (s setUp) source(t *testing.T) string {
	t.Helper()
	var text string
	for _, file := range s.files {
		content, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		text += string(content)
	}
	return text
}

func versions(t *testing.T) map[string]string {
	t.Helper()
	versions, err := godotenv.Read(filepath.Join(root, "versions.env"))
	require.NoError(t, err)
	return versions
}

func (s setUp) nativeRun(t *testing.T, shell map[string]string) *stack.Stack {
	t.Helper()
	run, err := stack.New(root, func(name string) string { return shell[name] + s.native[name] })
	require.NoError(t, err)
	return run
}

func TestTheBareCommandFindsTheVersions(t *testing.T) {
	target, err := os.Readlink(filepath.Join(root, ".env"))
	require.NoError(t, err, "Compose reads .env, unasked")
	assert.Equal(t, "versions.env", target)
}

func TestSameParts(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		native := []string{"grafana"} // natively only where one is installed
		for _, part := range s.nativeRun(t, nil).Status(context.Background()) {
			if part.Name != "grafana" && part.Name != "supervisor" { // instead of which Docker restarts
				native = append(native, part.Name)
			}
		}
		var composed []string
		for name := range s.load(t, nil).Services {
			if name != helper {
				composed = append(composed, name)
			}
		}
		assert.ElementsMatch(t, native, composed)
	})
}

func TestVersionsAreThoseOfVersionsEnv(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		pinned := regexp.MustCompile(`:v?\$\{[A-Z_]+_VERSION:\?\}$`)
		for _, line := range strings.Split(s.source(t), "\n") {
			if image, isImage := strings.CutPrefix(strings.TrimSpace(line), "image: "); isImage {
				assert.Regexp(t, pinned, image)
			}
		}
		project, versions := s.load(t, nil), versions(t)
		variables := map[string]string{
			"otel-collector": "COLLECTOR_VERSION",
			"sampler-1":      "COLLECTOR_VERSION",
			"sampler-2":      "COLLECTOR_VERSION",
			"jaeger":         "JAEGER_VERSION",
			"tempo":          "TEMPO_IMAGE_VERSION", // the native build is of an older one
			"loki":           "LOKI_VERSION",
			"prometheus":     "PROMETHEUS_VERSION",
			"grafana":        "GRAFANA_VERSION",
			"rabbitmq":       "RABBITMQ_IMAGE_VERSION", // the native one is Debian's
		}
		for name, service := range project.Services {
			if service.Image == "" { // built from the source tree: see below
				continue
			}
			_, tag, _ := strings.Cut(service.Image, ":")
			assert.Equal(t, versions[variables[name]], strings.TrimPrefix(tag, "v"), name)
			assert.NotEmpty(t, tag, name)
		}
		for _, name := range append(ownBuild, helper) {
			assert.Equal(t, versions["GO_VERSION"], *project.Services[name].Build.Args["GO_VERSION"], name)
		}
	})
}

// published returns the ports that Docker opens on this machine.
func published(t *testing.T, project *types.Project) []string {
	t.Helper()
	var ports []string
	for name, service := range project.Services {
		for _, port := range service.Ports {
			assert.Equal(t, "127.0.0.1", port.HostIP, "%s: port %d", name, port.Target)
			assert.NotContains(t, ports, port.Published, "%s: port %d: taken by another part", name, port.Target)
			ports = append(ports, port.Published)
		}
	}
	return ports
}

// nativePorts returns the ports at which a person or verify finds the parts.
func (s setUp) nativePorts(t *testing.T, shell map[string]string) []string {
	t.Helper()
	var ports []string
	endpoints := reflect.ValueOf(s.nativeRun(t, shell).Endpoints())
	for i := range endpoints.NumField() {
		address := endpoints.Field(i).String()
		if address == "" { // no Grafana is installed; see TestSameParts
			continue
		}
		if !strings.Contains(address, "://") {
			address = "tcp://" + address
		}
		parsed, err := url.Parse(address)
		require.NoError(t, err)
		ports = append(ports, parsed.Port())
	}
	return ports
}

var portVariable = regexp.MustCompile(`\$\{([A-Z_]+_PORT):-(\d+)\}`)

func TestPortsAreThoseOfTheNativeRunAndMoveByTheSameVariables(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		moved := map[string]string{}
		for i, match := range portVariable.FindAllStringSubmatch(s.source(t), -1) {
			moved[match[1]] = strconv.Itoa(40000 + i)
		}
		for _, shell := range []map[string]string{nil, moved} {
			grafana := map[bool]string{true: "3000", false: moved["GRAFANA_PORT"]}[shell == nil]
			native := s.nativePorts(t, shell)
			if !slices.Contains(native, grafana) {
				native = append(native, grafana)
			}
			assert.ElementsMatch(t, native, published(t, s.load(t, shell)))
		}
	})
}

// passedOn are the variables of a person's shell that are no port and no version.
var passedOn = []string{
	"CPU_THRESHOLD", "LOGIN_API_ACCESS_SECRET", "LOGIN_API_TRUSTED_CALLERS", "CONSOLE_ALLOWED_HOSTS", "GOPROXY", "AUDIT_MQ_DELAY", "AUDIT_MQ_FAILURE_RATIO",
	"OTEL_PROPAGATORS", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_RESOURCE_ATTRIBUTES",
	"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BLRP_MAX_QUEUE_SIZE",
	"RABBITMQ_OWNER_PASSWORD", "RABBITMQ_LOGIN_API_PASSWORD", "RABBITMQ_AUDIT_MQ_PASSWORD", "RABBITMQ_MANAGEMENT_PASSWORD",
	"GRAFANA_DOMAIN", "LOGIN_API_ADDRESS_LIMIT", "LOGIN_API_UNLIMITED_CALLERS", "TENANT", "MULTITENANCY_ENABLED",
	"TAIL_SAMPLING_WAIT", "TAIL_SAMPLING_SLOW_MS", "TAIL_SAMPLING_PERCENT",
}

func TestEveryVariableIsKnownAndHasAValue(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		versions := versions(t)
		for _, match := range regexp.MustCompile(`\$\{([A-Z_]+)(:-[^}]+)?`).FindAllStringSubmatch(s.source(t), -1) {
			name, fallback := match[1], match[2]
			switch {
			case strings.HasSuffix(name, "_PORT"):
				assert.NotEmpty(t, fallback, name)
			case strings.HasSuffix(name, "_VERSION"):
				assert.NotEmpty(t, versions[name], "%s is not in versions.env", name)
			default:
				assert.Contains(t, passedOn, name)
				assert.NotEmpty(t, fallback, name)
			}
		}
		for name, service := range s.load(t, nil).Services {
			for variable, value := range service.Environment {
				if value == nil {
					assert.Contains(t, passedOn, variable, name)
				}
			}
		}
	})
}

// mountedFiles returns the files of the source tree that the service sees, by
// their path in it.
func mountedFiles(t *testing.T, name string, service types.ServiceConfig) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, volume := range service.Volumes {
		if volume.Type != types.VolumeTypeBind {
			continue
		}
		assert.True(t, volume.ReadOnly, "%s: %s is mounted for writing", name, volume.Source)
		err := filepath.WalkDir(volume.Source, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				files[volume.Target+strings.TrimPrefix(path, volume.Source)] = path
			}
			return err
		})
		assert.NoError(t, err, "%s: what it mounts must be there: Docker would make an empty directory instead", name)
	}
	return files
}

// readByTheProgram are the variables that no configuration mentions.
var readByTheProgram = map[string]*regexp.Regexp{
	"":          regexp.MustCompile(`^(GOMEMLIMIT|GOGC|OTEL_.+)$`),
	"rabbitmq":  regexp.MustCompile(`^RABBITMQ_(LOGS|SERVER_ADDITIONAL_ERL_ARGS)$`),
	"login-api": regexp.MustCompile(`^LOGIN_API_ACCESS_SECRET$`), // its file would take a secret with a # in it for a comment
	"grafana":   regexp.MustCompile(`^GF_.+$`),
	"console":   regexp.MustCompile(`^(CONSOLE_.+|BIND_HOST|TENANT|(JAEGER|TEMPO|LOKI|PROMETHEUS)_URL)$`),
}

var (
	// reference is how a configuration takes a variable: ${env:NAME:-default} in the
	// collector and Jaeger, ${NAME:-default} elsewhere, $NAME in Grafana's provisioning.
	reference = regexp.MustCompile(`\$\{?(?:env:)?([A-Z][A-Z0-9_]+)(:-[^}]*)?`)
	// notReferences are comments and dollar signs that are meant.
	notReferences = regexp.MustCompile(`(?m)(^|\s)#.*$|\$\$`)
)

func TestEnvironmentFitsTheConfigurations(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		for name, service := range s.load(t, nil).Services {
			read := map[string]bool{}
			for _, path := range mountedFiles(t, name, service) {
				if strings.HasSuffix(path, ".json") { // dashboards have variables of their own
					continue
				}
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, match := range reference.FindAllStringSubmatch(notReferences.ReplaceAllString(string(content), ""), -1) {
					variable, fallback := match[1], match[2]
					read[variable] = true
					if variable == "BIND_HOST" {
						fallback = "" // which nobody outside the container would reach
					}
					if _, given := service.Environment[variable]; !given && fallback == "" {
						t.Errorf("%s: %s needs %s, which it is not given", name, path, variable)
					}
				}
			}
			for variable := range service.Environment {
				byProgram := readByTheProgram[""].MatchString(variable) ||
					readByTheProgram[name] != nil && readByTheProgram[name].MatchString(variable)
				assert.True(t, read[variable] || byProgram, "%s: nothing reads %s", name, variable)
			}
		}
	})
}

func TestAddressesNameAPartAndAPortOfIt(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		project := s.load(t, nil)
		listens := map[string]bool{} // "part:port"
		for name, service := range project.Services {
			for _, port := range service.Ports {
				listens[fmt.Sprintf("%s:%d", name, port.Target)] = true
			}
			for _, path := range mountedFiles(t, name, service) {
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, match := range regexp.MustCompile(`BIND_HOST.*_PORT:-(\d+)`).FindAllStringSubmatch(string(content), -1) {
					listens[name+":"+match[1]] = true
				}
			}
		}
		address := regexp.MustCompile(`\b([a-z][a-z-]+):(\d{4,5})\b`)
		for name, service := range project.Services {
			for variable, value := range service.Environment {
				if value == nil {
					continue
				}
				for _, match := range address.FindAllStringSubmatch(*value, -1) {
					assert.True(t, listens[match[0]], "%s: %s=%s", name, variable, *value)
					assert.Contains(t, service.DependsOn, match[1], "%s uses %s", name, match[1])
				}
			}
			if service.HealthCheck == nil {
				continue
			}
			asked, err := url.Parse(service.HealthCheck.Test[len(service.HealthCheck.Test)-1])
			require.NoError(t, err)
			assert.Equal(t, "127.0.0.1", asked.Hostname(), name)
			assert.True(t, listens[name+":"+asked.Port()], "%s: its health check asks %s", name, asked)
		}
	})
}

func TestGrafanaIsLookedAtUnderItsOwnNameAlone(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		for given, domain := range map[string]string{"": "127.0.0.1", "grafana.example": "grafana.example"} {
			settings := s.load(t, map[string]string{"GRAFANA_DOMAIN": given, "GRAFANA_PORT": "3999"}).Services["grafana"].Environment
			for variable, want := range map[string]string{
				"GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer", "GF_AUTH_DISABLE_LOGIN_FORM": "true", "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
				"GF_SERVER_ENFORCE_DOMAIN": "true", "GF_SERVER_DOMAIN": domain, "GF_SERVER_ROOT_URL": "http://" + domain + ":3999/",
			} {
				assert.Equal(t, want, *settings[variable], variable)
			}
		}
	})
}

// The commands find Compose's broker at the address of a private native node.
func TestUsersOfTheBrokerAreThoseOfTheNativeRun(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		for _, shell := range []map[string]string{nil, {"RABBITMQ_OWNER_PASSWORD": "o", "RABBITMQ_LOGIN_API_PASSWORD": "l", "RABBITMQ_AUDIT_MQ_PASSWORD": "a"}} {
			project := s.load(t, shell)
			owner, err := url.Parse(s.nativeRun(t, shell).Endpoints().RabbitMQ)
			require.NoError(t, err)
			password, _ := owner.User.Password()
			assert.Equal(t, *project.Services["rabbitmq"].Environment["RABBITMQ_OWNER_PASSWORD"], password)
			for name, variable := range map[string]string{"login-api": "RABBITMQ_LOGIN_API_PASSWORD", "audit-mq": "RABBITMQ_AUDIT_MQ_PASSWORD"} {
				broker, err := url.Parse(*project.Services[name].Environment["RABBITMQ_URL"])
				require.NoError(t, err)
				password, _ := broker.User.Password()
				assert.Equal(t, name, broker.User.Username())
				assert.Equal(t, *project.Services["rabbitmq"].Environment[variable], password)
			}
		}
	})
}

func TestCommandsNameFilesThatAreMounted(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		path := regexp.MustCompile(`/etc/\S+`)
		for name, service := range s.load(t, nil).Services {
			files := mountedFiles(t, name, service)
			for _, word := range service.Command {
				if file := path.FindString(word); file != "" {
					assert.Contains(t, files, file, name)
				}
			}
		}
	})
}

// probeVolume is the name that the volume of the health checks must have.
func probeVolume(t *testing.T) string {
	t.Helper()
	hash := sha256.New()
	for _, dir := range []string{"cmd/healthcheck", "internal/probe"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			hash.Write(content)
		}
	}
	return fmt.Sprintf("probe-%x", hash.Sum(nil)[:4])
}

func TestHealthChecksAndOrder(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		project := s.load(t, nil)
		probe := types.ServiceVolumeConfig{Type: types.VolumeTypeVolume, Source: probeVolume(t), Target: "/probe"}
		for name, service := range project.Services {
			if name == helper {
				continue
			}
			require.NotNil(t, service.HealthCheck, name)
			assert.Equal(t, []string{"CMD", "/probe/healthcheck"}, []string(service.HealthCheck.Test[:2]), name)
			assert.True(t, slices.ContainsFunc(service.Volumes, func(v types.ServiceVolumeConfig) bool {
				return v.Type == probe.Type && v.Source == probe.Source && v.Target == probe.Target && v.ReadOnly
			}), "%s: the probe's volume, whose name changes with its sources, is %s", name, probe.Source)
			for other, dependency := range service.DependsOn {
				condition := types.ServiceConditionHealthy
				if other == helper {
					condition = types.ServiceConditionCompletedSuccessfully
				}
				assert.Equal(t, condition, dependency.Condition, "%s needs %s", name, other)
			}
			assert.Contains(t, service.DependsOn, helper, name)
		}
	})
}

func TestLimits(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		var sum types.UnitBytes
		for name, service := range s.load(t, nil).Services {
			assert.NotZero(t, service.MemLimit, name)
			sum += service.MemLimit
			if soft := service.Environment["GOMEMLIMIT"]; soft != nil {
				mebibytes, err := strconv.Atoi(strings.TrimSuffix(*soft, "MiB"))
				require.NoError(t, err, name)
				assert.Less(t, types.UnitBytes(mebibytes<<20), service.MemLimit*9/10, "%s: GOMEMLIMIT leaves too little for what Go does not count", name)
			}
		}
		assert.LessOrEqual(t, sum, s.memoryBudget)
	})
}

func TestContainersMayDoLittle(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		for name, service := range s.load(t, nil).Services {
			user, _, _ := strings.Cut(service.User, ":")
			id, err := strconv.Atoi(user)
			assert.NoError(t, err, "%s: a number, for the image may not know the name", name)
			assert.NotZero(t, id, "%s runs as root", name)
			assert.True(t, service.ReadOnly, name)
			assert.Equal(t, []string{"ALL"}, service.CapDrop, name)
			assert.Empty(t, service.CapAdd, name)
			assert.False(t, service.Privileged, name)
			assert.Contains(t, service.SecurityOpt, "no-new-privileges:true", name)
		}
	})
}

// dataOfImages are the directories that no configuration of ours names.
var dataOfImages = map[string]string{
	"rabbitmq":   "/var/lib/rabbitmq",
	"grafana":    "/var/lib/grafana",
	"prometheus": "/prometheus",
}

func TestDataLiesInNamedVolumes(t *testing.T) {
	inEach(t, func(t *testing.T, s setUp) {
		directory := regexp.MustCompile(`_DIR:-(/[^}]+)\}`)
		project := s.load(t, nil)
		var used []string
		for name, service := range project.Services {
			var targets, data []string
			for _, volume := range service.Volumes {
				assert.NotEmpty(t, volume.Source, "%s: %s would be lost with the container", name, volume.Target)
				if volume.Type == types.VolumeTypeVolume {
					used = append(used, volume.Source)
					targets = append(targets, volume.Target)
				}
			}
			for _, path := range mountedFiles(t, name, service) {
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, match := range directory.FindAllStringSubmatch(string(content), -1) {
					data = append(data, match[1])
				}
			}
			for variable, value := range service.Environment {
				if strings.HasSuffix(variable, "_DB") {
					data = append(data, filepath.Dir(*value))
				}
			}
			if dir, known := dataOfImages[name]; known {
				data = append(data, dir)
			}
			for _, dir := range data {
				assert.Contains(t, targets, dir, name)
			}
		}
		slices.Sort(used)
		assert.ElementsMatch(t, slices.Collect(maps.Keys(project.Volumes)), slices.Compact(used))
	})
}

// README.md has the versions that differ between the two ways to run.
func TestREADMENamesTheVersions(t *testing.T) {
	versions := versions(t)
	for _, readme := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(root, readme))
		require.NoError(t, err)
		for part, of := range map[string][2]string{
			"RabbitMQ":                {"", strings.TrimSuffix(versions["RABBITMQ_IMAGE_VERSION"], "-management-alpine")},
			"Tempo":                   {versions["TEMPO_VERSION"], versions["TEMPO_IMAGE_VERSION"]},
			"Jaeger":                  {versions["JAEGER_VERSION"], versions["JAEGER_VERSION"]},
			"OpenTelemetry Collector": {versions["COLLECTOR_VERSION"], versions["COLLECTOR_VERSION"]},
			"Grafana":                 {"", versions["GRAFANA_VERSION"]},
		} {
			require.NotEmpty(t, of[1], part)
			row := regexp.MustCompile(`(?m)^\| ` + part + ` \| [^|]*` + regexp.QuoteMeta(of[0]) + `[^|]*\| [^|]*` + regexp.QuoteMeta(of[1]))
			assert.Regexp(t, row, string(text), "%s: the table of versions", readme)
		}
	}
}

// What an image is built from has to pass the .dockerignore beside its Dockerfile.
func TestImagesAreBuiltFromAllThatTheyImport(t *testing.T) {
	for ignore, programs := range map[string][]string{
		".dockerignore":                   {"./services/login-api", "./services/user-rpc", "./services/audit-mq", "./cmd/healthcheck"},
		"console/Dockerfile.dockerignore": {"./cmd/console"},
	} {
		text, err := os.ReadFile(filepath.Join(root, ignore))
		require.NoError(t, err)
		list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}"}, programs...)...)
		list.Dir = root
		out, err := list.Output()
		require.NoError(t, err)
		tree, err := filepath.Abs(root)
		require.NoError(t, err)
		for dir := range strings.Lines(string(out)) {
			dir, ours := strings.CutPrefix(strings.TrimSpace(dir), tree+"/")
			if !ours {
				continue
			}
			passes := slices.ContainsFunc(strings.Fields(string(text)), func(line string) bool {
				allowed, isAllowed := strings.CutPrefix(line, "!")
				return isAllowed && strings.HasPrefix(dir+"/", allowed+"/")
			})
			assert.True(t, passes, "%s keeps out %s, which is built in", ignore, dir)
		}
	}
}
