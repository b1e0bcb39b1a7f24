package drift

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// patchOperation is one step of a JSON patch (RFC 6902).
type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Patch is the JSON patch that makes an exclusive object enforce what is wanted, whatever it has
// come to enforce since it was read, and bear Bulwark's labels and owner. It leaves other metadata
// alone, and the API server refuses it if another object has taken the name.
func Patch(want, got baseline.Object) ([]byte, error) {
	operations := []patchOperation{{"test", "/metadata/uid", got.GetUID()}}
	content := baseline.KindOf(want).Content(want)
	for _, root := range sortedKeys(content) {
		operations = append(operations, patchOperation{"add", "/" + root, content[root]})
	}
	if len(got.GetLabels()) == 0 {
		operations = append(operations, patchOperation{"add", "/metadata/labels", want.GetLabels()})
	}
	for _, key := range sortedKeys(want.GetLabels()) {
		operations = append(
			operations,
			patchOperation{"add", "/metadata/labels/" + pointer.Replace(key), want.GetLabels()[key]},
		)
	}
	operations = append(operations, patchOperation{"add", "/metadata/ownerReferences", want.GetOwnerReferences()})
	return encoded(operations)
}

// WithoutFinalizers is the JSON patch that takes all finalizers off an object, unless another has
// taken its name.
func WithoutFinalizers(got baseline.Object) ([]byte, error) {
	return encoded([]patchOperation{{"test", "/metadata/uid", got.GetUID()}, {"add", "/metadata/finalizers", nil}})
}

// pointer writes a key as a step of a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

func encoded(operations []patchOperation) ([]byte, error) {
	data, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	return data, nil
}
