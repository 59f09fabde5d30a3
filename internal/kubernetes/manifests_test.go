// Package kubernetes checks deploy/kubernetes without a cluster: what kustomize makes of each
// overlay is decoded against the types of the API, and small is compared with docker-compose.yml.
package kubernetes

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	rabbitmqv1beta1 "github.com/rabbitmq/cluster-operator/v2/api/v1beta1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const root = "../.."

// manifests is what an overlay comes to, by name.
type manifests struct {
	namespaces []*corev1.Namespace
	accounts   map[string]*corev1.ServiceAccount
	services   map[string]*corev1.Service
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	policies   map[string]*networkingv1.NetworkPolicy
	budgets    map[string]*policyv1.PodDisruptionBudget
	scalers    map[string]*autoscalingv2.HorizontalPodAutoscaler
	parts      map[string]part
}

// part is a Deployment, a StatefulSet, a DaemonSet or a RabbitmqCluster.
type part struct {
	kind        string
	replicas    *int32
	selector    *metav1.LabelSelector
	template    corev1.PodTemplateSpec
	container   corev1.Container
	serviceName string // of a StatefulSet
	claims      []corev1.PersistentVolumeClaim
}

func small(t *testing.T) manifests {
	t.Helper()
	return render(t, filepath.Join(root, "deploy/kubernetes/small"))
}

// inEach runs the test on what each overlay comes to.
func inEach(t *testing.T, test func(*testing.T, manifests)) {
	t.Run("small", func(t *testing.T) { test(t, small(t)) })
	t.Run("production", func(t *testing.T) { test(t, production(t)) })
	t.Run("teams", func(t *testing.T) { test(t, teams(t)) })
}

// render does what kubectl does, and decodes the outcome as an API server does that takes no
// field it does not know.
func render(t *testing.T, dir string) manifests {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, autoscalingv2.AddToScheme, rabbitmqv1beta1.AddToScheme,
	} {
		require.NoError(t, add(scheme))
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	m := manifests{
		accounts: map[string]*corev1.ServiceAccount{}, services: map[string]*corev1.Service{}, configMaps: map[string]*corev1.ConfigMap{},
		secrets: map[string]*corev1.Secret{}, policies: map[string]*networkingv1.NetworkPolicy{}, parts: map[string]part{},
		budgets: map[string]*policyv1.PodDisruptionBudget{}, scalers: map[string]*autoscalingv2.HorizontalPodAutoscaler{},
	}
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		require.NoError(t, err)
		// kubectl apply keeps the object in an annotation, which has 256 KiB.
		assert.Less(t, len(text), 250<<10, resource.CurId())
		object, _, err := decoder.Decode(text, nil, nil)
		require.NoError(t, err, "%s", resource.CurId())
		if resource.GetKind() != "Namespace" {
			assert.Equal(t, "throughline", resource.GetNamespace(), resource.CurId())
		}
		name := resource.GetName()
		switch o := object.(type) {
		case *corev1.Namespace:
			m.namespaces = append(m.namespaces, o)
		case *corev1.ServiceAccount:
			m.accounts[name] = o
		case *corev1.Service:
			m.services[name] = o
		case *corev1.ConfigMap:
			m.configMaps[name] = o
		case *corev1.Secret:
			m.secrets[name] = o
		case *networkingv1.NetworkPolicy:
			m.policies[name] = o
		case *policyv1.PodDisruptionBudget:
			m.budgets[name] = o
		case *autoscalingv2.HorizontalPodAutoscaler:
			m.scalers[name] = o
		case *appsv1.Deployment:
			m.parts[name] = part{replicas: o.Spec.Replicas, selector: o.Spec.Selector, template: o.Spec.Template}
		case *appsv1.StatefulSet:
			m.parts[name] = part{replicas: o.Spec.Replicas, selector: o.Spec.Selector, template: o.Spec.Template, serviceName: o.Spec.ServiceName, claims: o.Spec.VolumeClaimTemplates}
		case *appsv1.DaemonSet:
			m.parts[name] = part{selector: o.Spec.Selector, template: o.Spec.Template}
		case *rabbitmqv1beta1.RabbitmqCluster:
			validate(t, text)
			m.parts[name], m.services[name] = operated(o)
		default:
			t.Errorf("%s: this test does not know its kind", resource.CurId())
		}
	}
	for name, p := range m.parts {
		require.Len(t, p.template.Spec.Containers, 1, name)
		p.container = p.template.Spec.Containers[0]
		m.parts[name] = p
	}
	return m
}

// port returns the number of a part's port, zero if it has none such.
func (p part) port(name string) int32 {
	for _, port := range p.container.Ports {
		if port.Name == name {
			return port.ContainerPort
		}
	}
	return 0
}

// settings returns the ConfigMaps that the part's environment comes from.
func (p part) settings() (configMaps []string) {
	for _, from := range p.container.EnvFrom {
		configMaps = append(configMaps, from.ConfigMapRef.Name)
	}
	for _, variable := range p.container.Env {
		if variable.ValueFrom != nil && variable.ValueFrom.ConfigMapKeyRef != nil {
			configMaps = append(configMaps, variable.ValueFrom.ConfigMapKeyRef.Name)
		}
	}
	return configMaps
}

// environment returns what the part's program sees, with references expanded.
func (m manifests) environment(t *testing.T, name string) map[string]string {
	t.Helper()
	environment := map[string]string{}
	container := m.parts[name].container
	if m.parts[name].kind == "RabbitmqCluster" { // the passwords are for what writes its definitions
		container = m.parts[name].template.Spec.InitContainers[1]
	}
	for _, from := range container.EnvFrom {
		require.NotNil(t, from.ConfigMapRef, "%s: envFrom takes a whole Secret", name)
		require.Contains(t, m.configMaps, from.ConfigMapRef.Name, name)
		maps.Copy(environment, m.configMaps[from.ConfigMapRef.Name].Data)
	}
	for _, variable := range container.Env {
		switch from := variable.ValueFrom; {
		case from == nil:
			environment[variable.Name] = reference.ReplaceAllStringFunc(variable.Value, func(text string) string {
				value, known := environment[text[2:len(text)-1]]
				assert.True(t, known, "%s: %s needs %s, which does not stand before it", name, variable.Name, text)
				return value
			})
		case from.SecretKeyRef != nil:
			require.Contains(t, m.secrets, from.SecretKeyRef.Name, name)
			value, known := m.secrets[from.SecretKeyRef.Name].Data[from.SecretKeyRef.Key]
			if from.SecretKeyRef.Optional == nil {
				assert.True(t, known, "%s: %s: the Secret has no such key", name, variable.Name)
			}
			if known {
				environment[variable.Name] = string(value)
			}
		case from.ConfigMapKeyRef != nil:
			require.Contains(t, m.configMaps, from.ConfigMapKeyRef.Name, name)
			value, known := m.configMaps[from.ConfigMapKeyRef.Name].Data[from.ConfigMapKeyRef.Key]
			assert.True(t, known, "%s: %s: the ConfigMap has no such key", name, variable.Name)
			environment[variable.Name] = value
		default:
			require.NotNil(t, from.FieldRef, "%s: %s", name, variable.Name)
			environment[variable.Name] = from.FieldRef.FieldPath
		}
	}
	return environment
}

// files returns the files of ConfigMaps and Secrets that the part sees, by their path in it.
func (m manifests) files(t *testing.T, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	p := m.parts[name]
	for _, mount := range p.container.VolumeMounts {
		i := slices.IndexFunc(p.template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if i < 0 {
			claimed := slices.ContainsFunc(p.claims, func(c corev1.PersistentVolumeClaim) bool { return c.Name == mount.Name })
			assert.True(t, claimed, "%s: %s: there is no volume and no claim %s", name, mount.MountPath, mount.Name)
			continue
		}
		volume := p.template.Spec.Volumes[i]
		if volume.Secret != nil {
			require.Contains(t, m.secrets, volume.Secret.SecretName, name)
			for key, content := range m.secrets[volume.Secret.SecretName].Data {
				files[filepath.Join(mount.MountPath, key)] = string(content)
			}
			continue
		}
		source := volume.ConfigMap
		if source == nil {
			assert.NotNil(t, volume.EmptyDir, "%s: %s", name, mount.Name)
			continue
		}
		require.Contains(t, m.configMaps, source.Name, name)
		held := m.configMaps[source.Name].Data
		paths := map[string]string{} // in the volume, with its key
		for key := range held {
			paths[key] = key
		}
		if len(source.Items) > 0 {
			clear(paths)
			for _, item := range source.Items {
				paths[item.Path] = item.Key
			}
		}
		for path, key := range paths {
			content, known := held[key]
			assert.True(t, known, "%s: %s has no key %s", name, source.Name, key)
			switch mount.SubPath {
			case "":
				files[filepath.Join(mount.MountPath, path)] = content
			case path:
				files[mount.MountPath] = content
			}
		}
		if mount.SubPath != "" {
			assert.Contains(t, files, mount.MountPath, "%s: %s has no file %s", name, source.Name, mount.SubPath)
		}
	}
	return files
}
