package posture

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// openAPI is what the schemas of our reports consist of.
type openAPI struct {
	MaxLength  *int
	MaxItems   *int
	Enum       []string
	Required   []string
	Items      *openAPI
	Properties map[string]*openAPI
}

// schemaOf is the schema of a CRD of config/crd, by which the API server judges what the operator
// writes.
func schemaOf(plural string) (*openAPI, error) {
	data, err := os.ReadFile("../../config/crd/bases/security.bulwark.dev_" + plural + ".yaml")
	if err != nil {
		return nil, err
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema *openAPI }
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return nil, err
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema, nil
}

// refusals are what the API server would say of an object, counting as it does: a text by its
// characters.
func refusals(schema *openAPI, object any) ([]string, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, err
	}
	return refusedIn("", schema, value), nil
}

func refusedIn(path string, schema *openAPI, value any) []string {
	switch value := value.(type) {
	case string:
		return refusedText(path, schema, value)
	case []any:
		return refusedList(path, schema, value)
	case map[string]any:
		return refusedObject(path, schema, value)
	}
	return nil
}

func refusedText(path string, schema *openAPI, text string) []string {
	if n := utf8.RuneCountInString(text); schema.MaxLength != nil && n > *schema.MaxLength {
		return []string{fmt.Sprintf("%s: %d characters", path, n)}
	}
	if len(schema.Enum) > 0 && !slices.Contains(schema.Enum, text) {
		return []string{fmt.Sprintf("%s: %q is not one of its values", path, text)}
	}
	return nil
}

func refusedList(path string, schema *openAPI, list []any) []string {
	var out []string
	if schema.MaxItems != nil && len(list) > *schema.MaxItems {
		out = append(out, fmt.Sprintf("%s: %d items", path, len(list)))
	}
	for i, item := range list {
		out = append(out, refusedIn(fmt.Sprintf("%s[%d]", path, i), schema.Items, item)...)
	}
	return out
}

func refusedObject(path string, schema *openAPI, object map[string]any) []string {
	var out []string
	for _, name := range schema.Required {
		if _, given := object[name]; !given {
			out = append(out, path+"."+name+": required")
		}
	}
	for name, value := range object {
		if property, known := schema.Properties[name]; known {
			out = append(out, refusedIn(path+"."+name, property, value)...)
		} else if len(schema.Properties) > 0 {
			out = append(out, path+"."+name+": unknown")
		}
	}
	return out
}
