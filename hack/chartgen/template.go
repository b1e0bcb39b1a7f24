package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Of what the release says, a template has a word of its own until the object is YAML.
const (
	releaseNamespace = "RELEASE-NAMESPACE"
	metadataOfChart  = "METADATA-OF-THE-CHART"
)

// defaultNamespace is the one that config names.
const defaultNamespace = "bulwark-system"

// templates are the contents of the files of a part, by their names. A CRD has a file of its own.
func (p part) templates(objects []map[string]any) (map[string]string, error) {
	files := map[string]string{}
	for _, object := range objects {
		kind, _ := object["kind"].(string)
		if len(p.kinds) > 0 && !slices.Contains(p.kinds, kind) {
			continue
		}
		metadata, ok := object["metadata"].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("a %s without metadata", kind)
		}
		name, _ := metadata["name"].(string)
		content, err := p.template(object, metadata, name)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, name, err)
		}
		file := p.folder + ".yaml"
		if kind == "CustomResourceDefinition" {
			plural, _, _ := strings.Cut(name, ".")
			file = "crds/" + plural + ".yaml"
		}
		if files[file] == "" {
			files[file] = "{{- /* Written by make generate from config/" + p.folder + ": change that. */ -}}\n"
		}
		files[file] += content
	}
	return files, nil
}

// template is an object as a document of a template.
func (p part) template(object, metadata map[string]any, name string) (string, error) {
	chart := p.metadata(metadata)
	delete(metadata, "annotations")
	metadata["labels"] = metadataOfChart
	inReleaseNamespace(object)
	content, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	document := "---\n" + strings.NewReplacer(
		"{{", "{{ `{{` }}",
		"}}", "{{ `}}` }}",
		"labels: "+metadataOfChart, chart,
		releaseNamespace, "{{ .Release.Namespace | quote }}",
	).Replace(string(content))
	for _, when := range []string{alsoWhen[name], p.when} {
		if when != "" {
			document = "{{- if " + when + " }}\n" + document + "{{- end }}\n"
		}
	}
	return document, nil
}

// metadata is what the chart writes for the labels and annotations of an object.
func (p part) metadata(metadata map[string]any) string {
	labels, annotations := []string{dict(metadata["labels"])}, []string{dict(metadata["annotations"])}
	if p.keep != "" {
		annotations = append(annotations, `(ternary (dict "helm.sh/resource-policy" "keep") dict `+p.keep+`)`)
	}
	if p.values != "" {
		labels, annotations = append(labels, p.values+".labels"), append(annotations, p.values+".annotations")
	}
	root := `"root" $`
	if p.unnamed {
		root += ` "unnamed" true`
	}
	return fmt.Sprintf(
		`{{- include "bulwark.metadata" (dict %s "labels" (list %s) "annotations" (list %s)) | nindent 2 }}`,
		root, strings.Join(labels, " "), strings.Join(annotations, " "),
	)
}

// dict is a map as a template makes it, without the label that each object of the chart bears.
func dict(of any) string {
	entries, _ := of.(map[string]any)
	if len(entries) == 0 {
		return "dict"
	}
	made := []string{"(dict"}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if key != "app.kubernetes.io/name" {
			made = append(made, strconv.Quote(key), strconv.Quote(fmt.Sprint(entries[key])))
		}
	}
	return strings.Join(made, " ") + ")"
}

// inReleaseNamespace puts the namespace of the release where an object names the one of config.
func inReleaseNamespace(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if key == "namespace" && inner == defaultNamespace {
				value[key] = releaseNamespace
				continue
			}
			inReleaseNamespace(inner)
		}
	case []any:
		for _, inner := range value {
			inReleaseNamespace(inner)
		}
	}
}
