package process

import (
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/shipped"
)

// notApplied are folders of config that this cluster cannot hold, each with the reason.
var notApplied = map[string]string{
	"prometheus":       "its kinds are those of prometheus-operator, which is not installed here",
	"argocd":           "it is a part of Argo CD's own ConfigMap",
	"static-admission": "it is for the disks of the control plane, and test/static starts an API server with it",
}

// forOthers are folders of config that kustomize does not build: for Krew, for Helm, for OLM.
var forOthers = []string{"krew", "chart", "olm"}

// everyDefaultIsShipped applies all that config holds and reads it back. A tool that compares what
// is in git with what is live, whole lists included, would otherwise report and correct a
// difference for ever.
func everyDefaultIsShipped() {
	folders, err := filepath.Glob(filepath.Join(controlplane.Root(), "config", "*", "kustomization.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(len(folders)).To(BeNumerically(">", 7))
	applied := 0
	for _, folder := range folders {
		name := filepath.Base(filepath.Dir(folder))
		if notApplied[name] != "" {
			continue
		}
		path := "config/" + name
		out, err := plane.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", path).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		for _, o := range kustomized(path) {
			live := &unstructured.Unstructured{}
			live.SetGroupVersionKind(o.GroupVersionKind())
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), live)).To(Succeed())
			Expect(shipped.Unlike(o, live)).To(BeEmpty(), "%s: %s %s", path, o.GetKind(), o.GetName())
			applied++
		}
	}
	Expect(applied).To(BeNumerically(">", 30))
}

// everyFolderIsApplied holds that no folder of config is left out by mistake.
func everyFolderIsApplied() {
	folders, err := os.ReadDir(filepath.Join(controlplane.Root(), "config"))
	Expect(err).NotTo(HaveOccurred())
	for _, folder := range folders {
		if slices.Contains(forOthers, folder.Name()) {
			continue
		}
		Expect(filepath.Join(controlplane.Root(), "config", folder.Name(), "kustomization.yaml")).To(BeAnExistingFile())
	}
}

// healthChecksAreAdded builds Argo CD's own ConfigMap with the component of config/argocd.
func healthChecksAreAdded() {
	dir := GinkgoT().TempDir()
	Expect(
		os.CopyFS(filepath.Join(dir, "argocd"), os.DirFS(filepath.Join(controlplane.Root(), "config", "argocd"))),
	).To(Succeed())
	for name, content := range map[string]string{
		"cm.yaml":            "{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm}, data: {url: https://argocd.example.com}}",
		"kustomization.yaml": "{namespace: gitops, resources: [cm.yaml], components: [argocd]}",
	} {
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)).To(Succeed())
	}
	built := kustomized(dir)
	Expect(built).To(HaveLen(1))
	Expect(built[0].GetNamespace()).To(Equal("gitops"))
	data, _, err := unstructured.NestedStringMap(built[0].Object, "data")
	Expect(err).NotTo(HaveOccurred())
	Expect(data).To(And(
		HaveLen(3),
		HaveKey("url"),
		HaveKeyWithValue(
			"resource.customizations.health.security.bulwark.dev_SecurityProfile",
			ContainSubstring("RolloutBlocked"),
		),
	))
}

// kustomized are the manifests that a folder of config comes to.
func kustomized(path string) []*unstructured.Unstructured {
	GinkgoHelper()
	objects, err := controlplane.Kustomized(ctx, path)
	Expect(err).NotTo(HaveOccurred())
	return objects
}
