package baseline

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Counter is an entry of a ResourceQuota that counts objects of one kind.
type Counter struct {
	// Entry is its name.
	Entry string
	// Kind is the kind that it counts.
	Kind string
}

// Counters are the entries of a ResourceQuota that count what Bulwark keeps in a namespace: each
// can keep a part of the baseline, or the report on it, out.
func Counters() []Counter {
	var counters []Counter
	for _, kind := range NamespacedKinds {
		if kind.Kind == "ResourceQuota" { // It has a name of old, too.
			counters = append(counters, Counter{kind.Resource, kind.Kind})
		}
		counters = append(counters, counter(kind.Group, kind.Resource, kind.Kind))
	}
	return append(counters,
		counter(v1alpha1.GroupVersion.Group, "namespacepostures", "NamespacePosture"),
		counter("openreports.io", "reports", "Report"))
}

func counter(group, resource, kind string) Counter {
	return Counter{"count/" + schema.GroupResource{Group: group, Resource: resource}.String(), kind}
}
