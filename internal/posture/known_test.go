package posture

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The schema of profiles lists all findings, since a profile may ignore each.
func TestEveryFindingIsKnown(t *testing.T) {
	ignore := schemaOfIgnore(t)
	ids, found, err := unstructured.NestedStringSlice(ignore, "items", "enum")
	if err != nil || !found {
		t.Fatalf("the schema lists no findings: %v", err)
	}
	if most, _ := ignore["maxItems"].(float64); int(most) < len(ids) {
		t.Errorf("a profile may ignore %d of %d findings", int(most), len(ids))
	}
	for _, id := range ids {
		if !isKnown(v1alpha1.FindingID(id), v1alpha1.SeverityLow) {
			t.Errorf("%s is not believed of a report that nobody sealed", id)
		}
	}
	if isKnown("Other", v1alpha1.SeverityLow) || isKnown(v1alpha1.FindingIDBroadBinding, "Grave") {
		t.Error("anything is known")
	}
}

// schemaOfIgnore is the schema of spec.findings.ignore.
func schemaOfIgnore(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile("../../config/crd/bases/security.bulwark.dev_securityprofiles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	if err != nil || len(versions) != 1 {
		t.Fatalf("%d versions: %v", len(versions), err)
	}
	path := []string{"schema", "openAPIV3Schema", "properties", "spec", "properties", "findings", "properties", "ignore"}
	ignore, found, err := unstructured.NestedMap(versions[0].(map[string]any), path...)
	if err != nil || !found {
		t.Fatalf("the schema knows no findings: %v", err)
	}
	return ignore
}
