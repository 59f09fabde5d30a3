package kubernetes

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var (
	reference = regexp.MustCompile(`\$\([A-Z_]+\)`)
	// address is a part's name and port; @ stands before it in an AMQP URL.
	address = regexp.MustCompile(`\b([a-z][a-z-]+):(\d{2,5})\b`)
)

// selected returns the parts whose pods the selector finds.
func (m manifests) selected(t *testing.T, selector *metav1.LabelSelector) (names []string) {
	t.Helper()
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	for name, p := range m.parts {
		if parsed.Matches(labels.Set(p.template.Labels)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestWhatIsNamedIsThere(t *testing.T) { inEach(t, whatIsNamedIsThere) }

func whatIsNamedIsThere(t *testing.T, m manifests) {
	used := map[string]bool{}
	for name, p := range m.parts {
		for _, configMap := range p.settings() {
			used[m.stem(configMap)] = true
		}
		assert.Equal(t, []string{name}, m.selected(t, p.selector), "%s: its selector", name)
		if p.kind != "RabbitmqCluster" {
			require.Contains(t, m.accounts, p.template.Spec.ServiceAccountName, name)
			assert.Equal(t, new(false), m.accounts[p.template.Spec.ServiceAccountName].AutomountServiceAccountToken, name)
		}
		assert.Equal(t, new(false), p.template.Spec.AutomountServiceAccountToken, name)
		assert.Equal(t, new(false), p.template.Spec.EnableServiceLinks, "%s: the Service tempo would set TEMPO_PORT", name)
		if len(p.claims) > 0 {
			require.Contains(t, m.services, p.serviceName, name)
			assert.NotNil(t, p.template.Spec.SecurityContext.FSGroup, "%s: it may not write to its volume", name)
		}
		m.environment(t, name)
		m.files(t, name)
		for _, volume := range p.template.Spec.Volumes {
			mounted := slices.ContainsFunc(p.container.VolumeMounts, func(mount corev1.VolumeMount) bool { return mount.Name == volume.Name })
			assert.True(t, mounted, "%s: nothing mounts %s", name, volume.Name)
			if volume.ConfigMap != nil {
				used[m.stem(volume.ConfigMap.Name)] = true
			}
		}
		for kind, probe := range map[string]*corev1.Probe{"startup": p.container.StartupProbe, "readiness": p.container.ReadinessProbe, "liveness": p.container.LivenessProbe} {
			var port intstr.IntOrString
			switch {
			case probe == nil && (kind == "startup" || p.kind == "RabbitmqCluster"): // those are the operator's
				continue
			case probe == nil:
				t.Errorf("%s has no %s probe", name, kind)
				continue
			case probe.HTTPGet != nil:
				port = probe.HTTPGet.Port
			case probe.TCPSocket != nil:
				port = probe.TCPSocket.Port
			case probe.GRPC != nil:
				port = intstr.FromInt32(probe.GRPC.Port)
			default:
				t.Errorf("%s: its %s probe runs a program, which its image may not hold", name, kind)
				continue
			}
			assert.True(t, p.has(port), "%s: its %s probe asks port %s, which it has not", name, kind, &port)
		}
	}
	for name := range m.configMaps {
		assert.True(t, used[m.stem(name)], "nothing mounts ConfigMap %s", name)
	}
	for name, service := range m.services {
		part := m.behind(t, name)
		for _, port := range service.Spec.Ports {
			// port-forward and the addresses of the part know one number.
			assert.Equal(t, port.Port, m.parts[part].port(port.TargetPort.StrVal), "Service %s, port %s", name, port.Name)
		}
	}
	for name := range m.parts {
		if m.services[name] != nil {
			assert.Equal(t, name, m.behind(t, name), "the Service by the name of a part")
		}
	}
}

// behind returns the part that a Service leads to.
func (m manifests) behind(t *testing.T, service string) string {
	t.Helper()
	parts := m.selected(t, metav1.SetAsLabelSelector(m.services[service].Spec.Selector))
	require.Len(t, parts, 1, "Service %s", service)
	return parts[0]
}

// stem is a name without the hash that kustomize adds.
func (manifests) stem(name string) string {
	return regexp.MustCompile(`-[a-z0-9]{10}$`).ReplaceAllString(name, "")
}

func (p part) has(port intstr.IntOrString) bool {
	return slices.ContainsFunc(p.container.Ports, func(c corev1.ContainerPort) bool {
		return c.Name == port.StrVal || port.IntVal != 0 && c.ContainerPort == port.IntVal
	})
}

// A way is from one part to a port of another.
type way struct {
	from, to string
	port     int32
}

// Of several, the members find each other by themselves.
var amongMembers = map[string][]int32{"tempo": {9095, 7946}, "loki": {9096, 7946}, "rabbitmq": {4369, 25672}}

// The policies allow what the addresses say, and nothing else.
func TestWhoMayTalkToWhom(t *testing.T) { inEach(t, whoMayTalkToWhom) }

func whoMayTalkToWhom(t *testing.T, m manifests) {
	taken := map[way]bool{}
	var outside []string // who has an address outside of the namespace
	for name, p := range m.parts {
		if p.replicas != nil && *p.replicas > 1 {
			for _, port := range amongMembers[name] {
				taken[way{name, name, port}] = true
			}
		}
		environment := m.environment(t, name)
		if host := environment["GATEWAY_HOST"]; host != "" {
			environment["GATEWAY"] = host + ":" + environment["GATEWAY_OTLP_GRPC_PORT"]
		}
		if m.reachesOut(p) {
			outside = append(outside, name)
		}
		for variable, value := range environment {
			if m.outside(value) {
				continue
			}
			for _, match := range address.FindAllStringSubmatch(value, -1) {
				port, err := strconv.Atoi(match[2])
				require.NoError(t, err)
				require.Contains(t, m.services, match[1], "%s: %s=%s", name, variable, value)
				listens := slices.ContainsFunc(m.services[match[1]].Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == port })
				assert.True(t, listens, "%s: %s=%s: the Service has no such port", name, variable, value)
				taken[way{name, m.behind(t, match[1]), int32(port)}] = true
			}
		}
	}
	allowed := map[way]bool{}
	for name, policy := range m.policies {
		to := m.selected(t, &policy.Spec.PodSelector)
		if name == "default" {
			assert.Len(t, to, len(m.parts), "it is for every pod")
			assert.ElementsMatch(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes)
			assert.Empty(t, policy.Spec.Ingress)
			continue
		}
		require.NotEmpty(t, to, "NetworkPolicy %s selects no part", name)
		if strings.HasPrefix(name, "outside") {
			slices.Sort(outside)
			assert.Equal(t, outside, to, "whom the NetworkPolicy outside lets out")
			assert.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes)
			outside = nil
			continue
		}
		assert.Empty(t, policy.Spec.Egress, name)
		for _, rule := range policy.Spec.Ingress {
			for _, port := range rule.Ports {
				for _, part := range to {
					number := port.Port.IntVal
					if number == 0 {
						number = m.parts[part].port(port.Port.StrVal)
					}
					assert.NotZero(t, number, "NetworkPolicy %s: %s has no port %s", name, part, port.Port)
					if len(rule.From) == 0 {
						assert.Contains(t, []string{"login-api", "otel-collector-team-b"}, part, "anybody may come in")
					}
					for _, peer := range rule.From {
						for _, from := range m.selected(t, peer.PodSelector) {
							allowed[way{from, part, number}] = true
						}
					}
				}
			}
		}
	}
	assert.Equal(t, taken, allowed, "the addresses in the environment, and what the policies allow")
	assert.Empty(t, outside, "no NetworkPolicy lets them out")
}

func TestPodsMeetTheRestrictedProfile(t *testing.T) { inEach(t, podsMeetTheRestrictedProfile) }

func podsMeetTheRestrictedProfile(t *testing.T, m manifests) {
	require.Len(t, m.namespaces, 1)
	assert.Equal(t, string(api.LevelRestricted), m.namespaces[0].Labels[api.EnforceLevelLabel])
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	for name, p := range m.parts {
		for _, result := range evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &p.template.ObjectMeta, &p.template.Spec) {
			assert.True(t, result.Allowed, "%s: %s: %s", name, result.ForbiddenReason, result.ForbiddenDetail)
		}
		if p.kind != "RabbitmqCluster" { // the operator does not say where its image writes
			assert.Equal(t, new(true), p.container.SecurityContext.ReadOnlyRootFilesystem, name)
		}
	}
}
