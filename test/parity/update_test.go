package parity

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/cli"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/test/framework/workloads"
)

// testUpdates judges changes of workloads that were there before the profile governed.
func (s *suite) testUpdates(t *testing.T) {
	p := sample(t)
	p.Name = "updated"
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "updated"} // No other profile is to have a say.
	const name = "updated"
	ctx := t.Context()
	s.create(ctx, t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	s.ownDefaultAccount(t, name, nil)
	var before, after []*manifests.Document
	for i, c := range workloads.Changes(cases(t)) {
		object := documents(t, "before.yaml", c.Before)[0].Object
		object.SetNamespace(name)
		if err := s.admin.Create(ctx, object); err != nil {
			continue // API validation refuses it: there is nothing to update.
		}
		changed := documents(t, "after.yaml", c.After)[0]
		// An applied object is merged into the one that the API server has made of it.
		if kind := object.GetKind(); kind == "Pod" || kind == "Job" {
			changed = merged(t, object, changed.Object)
		}
		changed.Line = i
		before, after = append(before, asDocument(t, object)), append(after, changed)
	}
	s.label(t, p, name)
	s.govern(t, p, name)
	s.awaitPolicies(t, p, name)
	tally := tally{of: "changes of generated workloads that are there, updated"}
	s.compare(t, p, name, after, before, &tally)
	s.report(t, &tally)
	if tally.cases < cases(t)/2 {
		t.Errorf("only %d of %d changes could be tried", tally.cases, cases(t))
	}
}

// label has a namespace that there is be as the profile says.
func (s *suite) label(t *testing.T, p *v1alpha1.SecurityProfile, name string) {
	t.Helper()
	ns := &corev1.Namespace{}
	if err := s.admin.Get(t.Context(), client.ObjectKey{Name: name}, ns); err != nil {
		t.Fatal(err)
	}
	maps.Copy(ns.Labels, p.Spec.NamespaceSelector.MatchLabels)
	maps.Copy(ns.Labels, baseline.Render(p, name)[0].GetLabels())
	if err := s.admin.Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
}

// asDocument is an object as `kubectl get -o yaml` writes it.
func asDocument(t *testing.T, object *unstructured.Unstructured) *manifests.Document {
	t.Helper()
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	return documents(t, "live.yaml", string(text))[0]
}

// merged is a pod that there is with the labels and images of another, or a Job with the labels.
func merged(t *testing.T, live, wanted *unstructured.Unstructured) *manifests.Document {
	t.Helper()
	pod := live.DeepCopy()
	pod.SetLabels(wanted.GetLabels())
	pod.SetManagedFields(nil)
	pod.SetResourceVersion("") // Controllers may write its status meanwhile.
	if live.GetKind() == "Job" {
		return asDocument(t, pod)
	}
	images, _, _ := unstructured.NestedSlice(wanted.Object, "spec", "containers")
	containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
	for i := range containers {
		containers[i].(map[string]any)["image"] = images[i].(map[string]any)["image"]
	}
	if err := unstructured.SetNestedSlice(pod.Object, containers, "spec", "containers"); err != nil {
		t.Fatal(err)
	}
	return asDocument(t, pod)
}

// testFromCluster checks a manifest by what governs the cluster, with a kubeconfig as kubectl has
// it.
func (s *suite) testFromCluster(t *testing.T) {
	p := sample(t)
	p.Name = "live"
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "live"}
	s.create(t.Context(), t, p)
	s.create(
		t.Context(),
		t,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "live", Labels: p.Spec.NamespaceSelector.MatchLabels}},
	)
	code, said := s.checkFromCluster(t, "", strings.Replace(kept, "registry.example.com", "evil.example.com", 1))
	if code != cli.ExitFindings || !strings.Contains(said, "Pod live/kept app: allowedRegistries: ") {
		t.Errorf("%d\n%s", code, said)
	}
}

// kubeconfig is one for the control plane, whose context is in the namespace live.
func (s *suite) kubeconfig() clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	const name = "here"
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   s.plane.Config.Host,
		CertificateAuthorityData: s.plane.Config.CAData,
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: s.plane.Config.CertData,
		ClientKeyData:         s.plane.Config.KeyData,
		Token:                 s.plane.Config.BearerToken,
	}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: "live"}
	config.CurrentContext = name
	return *config
}
