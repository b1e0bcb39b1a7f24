package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// notApplied are folders of config that this cluster cannot hold, each with the reason.
var notApplied = map[string]string{
	"prometheus":       "its kinds are those of prometheus-operator, which is not installed here",
	"argocd":           "it is a part of Argo CD's own ConfigMap",
	"static-admission": "it is for the disks of the control plane, and test/static starts an API server with it",
}

// ofTheCluster are fields that the API server or a controller fills in and that nobody can ship, by
// kind.
var ofTheCluster = map[string][]string{
	"*": {
		"status",
		"metadata.uid",
		"metadata.resourceVersion",
		"metadata.generation",
		"metadata.creationTimestamp",
		"metadata.managedFields",
	},
	"Namespace": {
		"spec.finalizers",
	}, // By the API server's own subresource only.
	"Service": {"spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies"}, // Of the cluster's address range.
	"ClusterRole": {
		"rules",
	}, // Of an aggregated one, which ships none.
	"Deployment": {`metadata.annotations.deployment.kubernetes.io/revision`}, // By its controller.
	"SecurityProfile": {
		"metadata.finalizers",
	}, // By the operator, which may be running.
}

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
		for _, shipped := range kustomized(path) {
			live := &unstructured.Unstructured{}
			live.SetGroupVersionKind(shipped.GroupVersionKind())
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(shipped), live)).To(Succeed())
			exempt := slices.Concat(ofTheCluster["*"], ofTheCluster[shipped.GetKind()])
			Expect(
				unlike("", shipped.Object, live.Object, exempt),
			).To(BeEmpty(), "%s: %s %s", path, shipped.GetKind(), shipped.GetName())
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
		if folder.Name() == "krew" { // It is for Krew, and not for a cluster.
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

// unlike are the paths at which what is live has something that is not shipped, or something else.
func unlike(path string, shipped, live any, exempt []string) []string {
	if slices.Contains(exempt, path) {
		return nil
	}
	switch live := live.(type) {
	case map[string]any:
		shipped, _ := shipped.(map[string]any)
		var differences []string
		for key, value := range live {
			at := key
			if path != "" {
				at = path + "." + key
			}
			differences = append(differences, unlike(at, shipped[key], value, exempt)...)
		}
		if len(live) == 0 && shipped == nil {
			return []string{path + ": {} is not shipped"}
		}
		slices.Sort(differences)
		return differences
	case []any:
		shipped, _ := shipped.([]any)
		if len(shipped) != len(live) {
			return []string{fmt.Sprintf("%s: %v is shipped, %v is live", path, shipped, live)}
		}
		var differences []string
		for i := range live {
			differences = append(differences, unlike(fmt.Sprintf("%s[%d]", path, i), shipped[i], live[i], exempt)...)
		}
		return differences
	}
	if fmt.Sprint(shipped) == fmt.Sprint(live) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v is shipped, %v is live", path, shipped, live)}
}
