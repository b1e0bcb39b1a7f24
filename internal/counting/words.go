package counting

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// NotCounted begins the sentence on a quota with an entry that Kubernetes never counts.
const NotCounted = "Kubernetes does not count "

// maxListed bounds the entries that a sentence names.
const maxListed = 8

// Sentence says which entries of a quota do not hold, and why; empty if all do. No amount is in it,
// since usage moves.
func (c *Counting) Sentence() string {
	var parts []string
	if len(c.Never) > 0 {
		parts = append(parts, NotCounted+listed(c.Never, explained)+", so that it bounds nothing")
	}
	if len(c.Waiting) > 0 {
		parts = append(parts, "Kubernetes has not counted "+listed(c.Waiting, plain)+
			" yet, so that what is declared does not hold: does kube-controller-manager run, with its resourcequota controller?")
	}
	return strings.Join(parts, "; ")
}

// ExceededSentence says of which entries more is used than the quota grants.
func (c *Counting) ExceededSentence() string {
	return "more is used than the quota grants of " + listed(c.Exceeded, plain)
}

func listed(names []corev1.ResourceName, say func(corev1.ResourceName) string) string {
	var words []string
	for _, name := range names[:min(len(names), maxListed)] {
		words = append(words, say(name))
	}
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words, ", "), more)
	}
	return strings.Join(words, ", ")
}

func plain(name corev1.ResourceName) string { return string(name) }

// explained is the name of an entry that is never counted, and what is likely meant.
func explained(name corev1.ResourceName) string {
	counted, isCount := strings.CutPrefix(string(name), countPrefix)
	if !isCount {
		return fmt.Sprintf("%s (it counts by that name neither requests nor objects)", name)
	}
	plural, group, grouped := strings.Cut(counted, ".")
	switch {
	case uncountable[counted]:
		return fmt.Sprintf("%s (it counts no %s)", name, plural)
	case clusterScoped[counted]:
		return fmt.Sprintf("%s (they are in no namespace)", name)
	case grouped:
		return fmt.Sprintf("%s (it knows no resource %s of %s in namespaces)", name, plural, group)
	case groups[plural] != "":
		return fmt.Sprintf("%s (it is %s.%s)", name, name, groups[plural])
	}
	return fmt.Sprintf("%s (the core group has no such resource; any other is count/<resource>.<group>)", name)
}

const countPrefix = "count/"

// neverCounted reports whether the name alone tells that Kubernetes never counts the entry.
func neverCounted(name corev1.ResourceName) bool {
	counted, isCount := strings.CutPrefix(string(name), countPrefix)
	return isCount && (uncountable[counted] || clusterScoped[counted] || groups[counted] != "")
}

// uncountable are resources that Kubernetes counts in no quota: they are not stored, or come and go
// by themselves.
var uncountable = map[string]bool{
	"bindings": true, "componentstatuses": true, "events": true, "events.events.k8s.io": true,
	"localsubjectaccessreviews.authorization.k8s.io": true,
}

// clusterScoped are resources of the core group that are in no namespace.
var clusterScoped = map[string]bool{"namespaces": true, "nodes": true, "persistentvolumes": true}

// groups are the groups of resources that are often taken for the core group's.
var groups = map[string]string{
	"controllerrevisions":      "apps",
	"daemonsets":               "apps",
	"deployments":              "apps",
	"replicasets":              "apps",
	"statefulsets":             "apps",
	"cronjobs":                 "batch",
	"jobs":                     "batch",
	"horizontalpodautoscalers": "autoscaling",
	"poddisruptionbudgets":     "policy",
	"ingresses":                "networking.k8s.io",
	"networkpolicies":          "networking.k8s.io",
	"rolebindings":             "rbac.authorization.k8s.io",
	"roles":                    "rbac.authorization.k8s.io",
	"csistoragecapacities":     "storage.k8s.io",
	"endpointslices":           "discovery.k8s.io",
	"leases":                   "coordination.k8s.io",
	"resourceclaims":           "resource.k8s.io",
	"resourceclaimtemplates":   "resource.k8s.io",
	"namespacepostures":        "security.bulwark.dev",
}
