package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// field is one that the former CRD lacks.
var field = []string{"spec", "properties", "adoption"}

// formerChart is a copy of the chart, of a lower version, whose CRD of profiles lacks a field.
func formerChart(t *testing.T) string {
	t.Helper()
	former := filepath.Join(t.TempDir(), "bulwark")
	if err := os.CopyFS(former, os.DirFS(chartPath())); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(former, "Chart.yaml"), func(content string) string {
		return strings.Replace(content, "\nversion: ", "\nversion: 0.0.1-before.", 1)
	})
	objects := byID(t, rendered(t, ""))
	crd := objects["CustomResourceDefinition/"+profilesCRD].DeepCopy()
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil || len(versions) != 1 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	version := versions[0].(map[string]any)
	unstructured.RemoveNestedField(version, append([]string{"schema", "openAPIV3Schema", "properties"}, field...)...)
	if err := unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	content, err := yaml.Marshal(crd.Object)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(former, "templates", "crds", "securityprofiles.yaml"), func(string) string {
		return strings.NewReplacer("{{", "{{ `{{` }}", "}}", "{{ `}}` }}").Replace(string(content))
	})
	return former
}

func rewrite(t *testing.T, path string, change func(string) string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(content))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hasField reports whether the CRD of profiles has the field that the former one lacks.
func hasField(t *testing.T, crd *unstructured.Unstructured) bool {
	t.Helper()
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	path := append([]string{"schema", "openAPIV3Schema", "properties"}, field...)
	_, found, _ := unstructured.NestedMap(versions[0].(map[string]any), path...)
	return found
}
