package kubernetes

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	rabbitmqv1beta1 "github.com/rabbitmq/cluster-operator/v2/api/v1beta1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// production renders the overlay that somebody has who did what README.md says.
func production(t *testing.T) manifests {
	t.Helper()
	return render(t, filepath.Join(made(t, "Production", "ours"), "deploy/kubernetes/ours"))
}

// teams renders those of a stack that two teams share.
func teams(t *testing.T) manifests {
	t.Helper()
	both := filepath.Join(made(t, "Several teams", "teams"), "deploy/kubernetes/both")
	require.NoError(t, os.Mkdir(both, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(both, "kustomization.yaml"), []byte("resources: [../teams, ../team-b]\n"), 0o644))
	return render(t, both)
}

// made is a copy of the tree in which the commands of a section of README.md were run, that
// make this overlay.
func made(t *testing.T, title, overlay string) (tree string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## "+title+"\n")
	require.True(t, found, "README.md has a section %s", title)
	commands := regexp.MustCompile("(?s)```sh\n(mkdir deploy/kubernetes/" + overlay + "\\b.*?)```").FindStringSubmatch(section)
	require.NotEmpty(t, commands, "it makes the folder %s", overlay)

	tree = t.TempDir()
	for _, dir := range []string{"deploy", "services", "rabbitmq", "otel-collector", "tempo", "jaeger", "loki", "prometheus", "grafana"} {
		require.NoError(t, os.CopyFS(filepath.Join(tree, dir), os.DirFS(filepath.Join(root, dir))))
	}
	command := exec.Command("bash", "-euo", "pipefail", "-c", commands[1])
	command.Dir = tree
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return tree
}

// validate checks a RabbitmqCluster against the schema of its CustomResourceDefinition.
func validate(t *testing.T, text []byte) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/rabbitmq/cluster-operator/v2").Output()
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config/crd/bases/rabbitmq.com_rabbitmqclusters.yaml"))
	require.NoError(t, err)
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema any }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(content, &crd))
	require.Len(t, crd.Spec.Versions, 1)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4)
	require.NoError(t, compiler.AddResource("crd.json", crd.Spec.Versions[0].Schema.OpenAPIV3Schema))
	schema, err := compiler.Compile("crd.json")
	require.NoError(t, err)
	asJSON, err := yaml.YAMLToJSON(text)
	require.NoError(t, err)
	object, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(object))
}

// operated returns what the operator makes of a RabbitmqCluster, as far as the other parts see it,
// and what the cluster lays over it.
func operated(cluster *rabbitmqv1beta1.RabbitmqCluster) (part, *corev1.Service) {
	labels := map[string]string{"app.kubernetes.io/name": cluster.Name}
	ports := []corev1.ContainerPort{
		{Name: "epmd", ContainerPort: 4369}, {Name: "amqps", ContainerPort: 5671}, {Name: "management-tls", ContainerPort: 15671}, {Name: "prometheus-tls", ContainerPort: 15691},
	}
	service := &corev1.Service{Spec: corev1.ServiceSpec{Selector: labels}}
	for _, port := range ports[1:] {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: port.Name, Port: port.ContainerPort, TargetPort: intstr.FromString(port.Name)})
	}
	p := part{
		kind: "RabbitmqCluster", replicas: cluster.Spec.Replicas, selector: metav1.SetAsLabelSelector(labels),
		template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: *cluster.Spec.Override.StatefulSet.Spec.Template.Spec},
	}
	p.template.Spec.Affinity = cluster.Spec.Affinity
	p.template.Spec.Containers[0].Ports = ports
	p.template.Spec.Containers[0].Image = cluster.Spec.Image
	return p, service
}

// outside tells whether the value is one of the addresses that whoever installs it gives.
func (m manifests) outside(value string) bool {
	for name, held := range m.configMaps {
		if !m.given(name) {
			continue
		}
		for _, address := range held.Data {
			if value == address {
				return true
			}
		}
	}
	return false
}

// given tells whether it is a ConfigMap with such addresses.
func (m manifests) given(configMap string) bool {
	return slices.Contains([]string{"addresses", "team-team-b"}, m.stem(configMap))
}

// reachesOut tells whether the part has such an address.
func (m manifests) reachesOut(p part) bool {
	return slices.ContainsFunc(p.settings(), m.given) ||
		slices.ContainsFunc(p.template.Spec.Volumes, func(volume corev1.Volume) bool {
			return volume.Secret != nil && m.stem(volume.Secret.SecretName) == "remote-write"
		})
}

// Whatever is there several times is spread, and no eviction takes away more than one.
func TestProductionOutlivesANode(t *testing.T) {
	m := production(t)
	several := map[string]bool{}
	for name, p := range m.parts {
		several[name] = p.replicas != nil && *p.replicas > 1
	}
	for name, scaler := range m.scalers {
		target := scaler.Spec.ScaleTargetRef.Name
		require.Contains(t, m.parts, target, "HorizontalPodAutoscaler %s", name)
		assert.Nil(t, m.parts[target].replicas, "%s: each apply would undo what the autoscaler did", target)
		assert.Greater(t, *scaler.Spec.MinReplicas, int32(1), name)
		assert.Contains(t, m.parts[target].container.Resources.Requests, corev1.ResourceMemory, "%s: its memory is a share of what it requests", target)
		several[target] = true
	}
	for _, name := range []string{"login-api", "gateway", "tempo", "loki", "jaeger", "rabbitmq"} {
		assert.True(t, several[name], "%s is there once", name)
	}
	guarded := map[string]bool{}
	for name, budget := range m.budgets {
		parts := m.selected(t, budget.Spec.Selector)
		require.Len(t, parts, 1, "PodDisruptionBudget %s", name)
		assert.Equal(t, new(intstr.FromInt32(1)), budget.Spec.MaxUnavailable, name)
		guarded[parts[0]] = true
	}
	for name, p := range m.parts {
		assert.Equal(t, several[name], guarded[name], "%s: is there several times, and has a PodDisruptionBudget", name)
		if !several[name] {
			continue
		}
		var hosts []*metav1.LabelSelector
		for _, spread := range p.template.Spec.TopologySpreadConstraints {
			assert.Equal(t, []string{name}, m.selected(t, spread.LabelSelector), "%s: what it is spread by", name)
			if spread.TopologyKey == corev1.LabelHostname {
				hosts = append(hosts, spread.LabelSelector)
			}
		}
		if p.template.Spec.Affinity != nil {
			for _, apart := range p.template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
				assert.Equal(t, []string{name}, m.selected(t, apart.LabelSelector), "%s: what it stays away from", name)
				hosts = append(hosts, apart.LabelSelector)
			}
		}
		assert.Len(t, hosts, 1, "%s: nothing spreads it over the nodes", name)
	}
}

// go-zero ends a service 15 s after its SIGTERM, at the most: the last 10 s are for its telemetry. Where all
// pods end at once, the collector is there until then. What sleeps before it stops has as long as everything
// else to stop.
func TestStopsOutlastTheFlush(t *testing.T) {
	const serviceEnds = 15 * time.Second
	boot, err := os.ReadFile(filepath.Join(root, "services/internal/boot/boot.go"))
	require.NoError(t, err)
	require.Contains(t, string(boot), "const flushTimeout = 10 * time.Second")
	inEach(t, func(t *testing.T, m manifests) {
		collector := m.parts["otel-collector"]
		for _, name := range []string{"login-api", "user-rpc", "audit-mq"} {
			config, err := os.ReadFile(filepath.Join(root, "services", name, "etc", name+".yaml"))
			require.NoError(t, err)
			require.Contains(t, string(config), "\n  WaitTime: 15s\n")
			service := m.parts[name]
			assert.Greater(t, service.grace(), serviceEnds, name)
			assert.GreaterOrEqual(t, collector.sleep(), service.sleep()+serviceEnds, name)
		}
		for name, p := range m.parts {
			if p.sleep() > 0 {
				assert.Greater(t, p.grace(), 20*time.Second, name)
			}
		}
	})
}

// What writes RabbitMQ's definitions takes the passwords that were made, and none that everybody knows.
func TestKnownPasswordsAreRefused(t *testing.T) {
	given := production(t).environment(t, "rabbitmq")
	define := func(change, to string) (string, error) {
		command := exec.Command("sh", filepath.Join(root, "rabbitmq/definitions.sh"))
		command.Env = []string{"PATH=" + os.Getenv("PATH")}
		for variable, value := range given {
			if variable == change {
				value = to
			}
			command.Env = append(command.Env, variable+"="+value)
		}
		output, err := command.CombinedOutput()
		return string(output), err
	}
	definitions, err := define("", "")
	require.NoError(t, err, definitions)
	assert.Contains(t, definitions, given["RABBITMQ_OWNER_PASSWORD"])
	for variable, known := range map[string]string{
		"RABBITMQ_OWNER_PASSWORD": "throughline", "RABBITMQ_LOGIN_API_PASSWORD": "login-api",
		"RABBITMQ_AUDIT_MQ_PASSWORD": "audit-mq", "RABBITMQ_MANAGEMENT_PASSWORD": "",
	} {
		said, err := define(variable, known)
		assert.Error(t, err, variable)
		assert.Contains(t, said, variable)
	}
}

// sleep is how long it goes on before it is told to stop.
func (p part) sleep() time.Duration {
	if p.container.Lifecycle == nil {
		return 0
	}
	return time.Duration(p.container.Lifecycle.PreStop.Sleep.Seconds) * time.Second
}

// grace is how long it has to stop, without that.
func (p part) grace() time.Duration {
	return time.Duration(*p.template.Spec.TerminationGracePeriodSeconds)*time.Second - p.sleep()
}

// Each is byte for byte a file of the repository by that name.
func TestConfigurationsOfProductionAreTheFilesOfTheRepository(t *testing.T) {
	there := map[string][]string{}
	for _, dir := range []string{"services", "rabbitmq", "otel-collector", "tempo", "jaeger", "loki", "prometheus", "grafana"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || strings.Contains(path, "/rules/tests/") {
				return err
			}
			content, err := os.ReadFile(path)
			there[entry.Name()] = append(there[entry.Name()], string(content))
			return err
		}))
	}
	m := production(t)
	for name, held := range m.configMaps {
		if stem := m.stem(name); stem == "services" || stem == "addresses" {
			continue
		}
		for key, content := range held.Data {
			known := slices.Contains(there[key], content) || content == "" // .gitkeep
			assert.True(t, known, "ConfigMap %s: %s is not the file of the repository", name, key)
		}
	}
}

// All images have the version that Compose has, but for those of the services, which whoever installs it names.
func TestImagesOfProductionAreThoseOfCompose(t *testing.T) {
	versions := map[string]string{}
	for _, service := range composed(t) {
		name, tag, _ := strings.Cut(service.Image, ":")
		versions[name] = strings.TrimSuffix(tag, "-alpine") // the operator of RabbitMQ takes Debian's
	}
	for part, p := range production(t).parts {
		for _, container := range append(p.template.Spec.InitContainers, p.container) {
			name, tag, _ := strings.Cut(container.Image, ":")
			if container.Name == "setup-container" || strings.HasPrefix(name, "registry.example/throughline-") {
				continue
			}
			assert.NotEmpty(t, tag, "%s: %s", part, container.Image)
			assert.Equal(t, versions[name], tag, "%s: %s", part, name)
		}
	}
}

// There is no file that Prometheus would read for both.
func TestTheAgentTakesWhatPrometheusTakes(t *testing.T) {
	var server, agent struct{ OTLP any }
	for name, into := range map[string]any{"prometheus.yml": &server, "agent.yml": &agent} {
		content, err := os.ReadFile(filepath.Join(root, "prometheus", name))
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(content, into))
	}
	require.NotNil(t, server.OTLP)
	assert.Equal(t, server.OTLP, agent.OTLP)
}
