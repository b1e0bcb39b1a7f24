// Package shipped compares an object as config or the chart ships it with what is live. A tool that
// compares what is in git with what is live, whole lists included, would report a difference for
// ever where the API server adds a default. It knows which fields nobody can ship. It may import
// apimachinery, and must never know a cluster.
package shipped

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

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

// Unlike are the paths at which what is live has something that is not shipped, or something else.
// Fields that are exempt are those of the cluster, and the given ones.
func Unlike(shipped, live *unstructured.Unstructured, exempt ...string) []string {
	return unlike("", shipped.Object, live.Object, slices.Concat(
		ofTheCluster["*"], ofTheCluster[shipped.GetKind()], exempt,
	))
}

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
