package operator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/config/crd/bases"
)

func TestAnOlderDefinitionLacksFields(t *testing.T) {
	for sentence, tt := range map[string]struct {
		change func(spec map[string]any) // of the properties of spec
		want   []string
	}{
		"it is the same": {},
		"it has more":    {change: func(spec map[string]any) { spec["later"] = map[string]any{"type": "string"} }},
		"a field is not there": {
			change: func(spec map[string]any) { delete(spec, "adoption") }, want: []string{"SecurityProfile.spec.adoption"},
		},
		"a field of an element is not there": {
			change: func(spec map[string]any) {
				unstructured.RemoveNestedField(spec, "quotas", "items", "properties", "name")
			},
			want: []string{"SecurityProfile.spec.quotas[].name"},
		},
		"a field was of another type": {
			change: func(spec map[string]any) {
				_ = unstructured.SetNestedField(spec, "boolean", "protection", "properties", "tamper", "type")
			},
			want: []string{"SecurityProfile.spec.protection.tamper"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			own, other := &unstructured.Unstructured{}, &unstructured.Unstructured{}
			for _, definition := range []*unstructured.Unstructured{own, other} {
				if err := yaml.Unmarshal(bases.SecurityProfiles, &definition.Object); err != nil {
					t.Fatal(err)
				}
			}
			installed := schemaOf(other)
			if installed == nil {
				t.Fatal("it has no schema")
			}
			if tt.change != nil {
				properties := installed["properties"].(map[string]any)
				tt.change(properties["spec"].(map[string]any)["properties"].(map[string]any))
			}
			if diff := cmp.Diff(tt.want, lacking("SecurityProfile", schemaOf(own), installed)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
