package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/config/crd/bases"
)

// definitionsGVK is that of the list of CustomResourceDefinitions, which are read as no type: the
// operator needs nothing else of them.
var definitionsGVK = schema.GroupVersionKind{
	Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList",
}

// newDefinitionCheck asks whether the installed CustomResourceDefinitions have what the operator
// knows. The API server drops the fields that an older one lacks from each object that it stores
// or returns, without an error.
func newDefinitionCheck(c client.Reader, log logr.Logger) *selfCheck {
	return &selfCheck{
		of: "the CustomResourceDefinitions",
		review: func(ctx context.Context) ([]string, error) {
			var missing []string
			for _, own := range [][]byte{bases.SecurityProfiles, bases.NamespacePostures} {
				lacks, err := missingFields(ctx, c, own)
				if err != nil {
					return nil, err
				}
				missing = append(missing, lacks...)
			}
			return missing, nil
		},
		refusal: func(missing []string) string {
			const told = 5
			more := ""
			if len(missing) > told {
				more = fmt.Sprintf(" and %d more", len(missing)-told)
			}
			return "the CustomResourceDefinitions are not those of this operator, and the API server drops what they lack: " +
				strings.Join(missing[:min(told, len(missing))], ", ") + more +
				". Remedy: kubectl apply --server-side -k config/crd of the operator's version, unless they are of a newer one: " +
				"then run the operator of that"
		},
		log: log,
	}
}

// missingFields are the fields of one of the operator's own definitions that the installed one does
// not have, or has with another type.
func missingFields(ctx context.Context, c client.Reader, definition []byte) ([]string, error) {
	own := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(definition, &own.Object); err != nil {
		return nil, fmt.Errorf("reading the operator's own CustomResourceDefinition: %w", err)
	}
	installed := &unstructured.UnstructuredList{}
	installed.SetGroupVersionKind(definitionsGVK)
	// The operator may list them, and not get one.
	if err := c.List(ctx, installed, client.MatchingFields{"metadata.name": own.GetName()}); err != nil {
		return nil, fmt.Errorf("reading the CustomResourceDefinition %s: %w", own.GetName(), err)
	}
	if len(installed.Items) == 0 {
		return nil, fmt.Errorf("the CustomResourceDefinition %s is gone", own.GetName())
	}
	kind, _, _ := unstructured.NestedString(own.Object, "spec", "names", "kind")
	return lacking(kind, schemaOf(own), schemaOf(&installed.Items[0])), nil
}

// schemaOf is the schema of our version; nil if the definition has none.
func schemaOf(definition *unstructured.Unstructured) map[string]any {
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok && version["name"] == v1alpha1.GroupVersion.Version {
			root, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema")
			return root
		}
	}
	return nil
}

// lacking are the paths at which one schema has a field and another none, or one of another type.
func lacking(path string, own, other map[string]any) []string {
	if other == nil || own["type"] != other["type"] {
		return []string{path}
	}
	var missing []string
	others := asSchema(other["properties"])
	for name, field := range asSchema(own["properties"]) {
		missing = append(missing, lacking(path+"."+name, asSchema(field), asSchema(others[name]))...)
	}
	for _, of := range []string{"items", "additionalProperties"} {
		if element := asSchema(own[of]); element != nil {
			missing = append(missing, lacking(path+"[]", element, asSchema(other[of]))...)
		}
	}
	slices.Sort(missing)
	return missing
}

// asSchema is a part of a schema that is a schema itself; nil if it is none.
func asSchema(part any) map[string]any {
	s, _ := part.(map[string]any)
	return s
}
