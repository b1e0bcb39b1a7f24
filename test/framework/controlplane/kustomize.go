package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Kustomized are the objects that a folder of config comes to.
func Kustomized(ctx context.Context, path string) ([]*unstructured.Unstructured, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(Assets(), "kubectl"), "kustomize", path)
	cmd.Dir = Root()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl kustomize %s: %w", path, err)
	}
	objects, err := Decoded(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("reading what %s comes to: %w", path, err)
	}
	return objects, nil
}

// Decoded are the objects of several documents of YAML, without empty ones.
func Decoded(documents io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(documents, 4096)
	var objects []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		switch err := decoder.Decode(o); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case o.Object != nil:
			objects = append(objects, o)
		}
	}
}
