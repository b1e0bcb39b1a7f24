package posturetest

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// toGoverning are the reasons for which a profile does not govern a namespace; none if it does.
func toGoverning(profile *v1alpha1.SecurityProfile, all []v1alpha1.SecurityProfile, ns *corev1.Namespace) []obstacle {
	if !ns.DeletionTimestamp.IsZero() {
		return obstacles(hopeless, "the namespace is being deleted, and Bulwark leaves such a one alone; "+
			"without kube-controller-manager it is never gone: give each test a namespace of its own")
	}
	protected, err := selection.Protected(v1alpha1.OperatorNamespace)
	if err != nil {
		return obstacles(hopeless, err.Error())
	}
	selector := selection.New(all, protected)
	if selector.Protects(ns.Name) {
		return obstacles(hopeless, "the namespace is protected: no profile selects it")
	}
	if err := selector.Invalid(profile.Name); err != nil {
		return obstacles(needsHelp, "SecurityProfile "+profile.Name+" cannot be carried out: "+err.Error())
	}
	selects, governs := selector.Standing(profile.Name, ns)
	switch {
	case governs:
		return nil
	case selects:
		other := selector.Governing(ns)
		return obstacles(needsHelp, fmt.Sprintf("SecurityProfile %s selects the namespace too, and governs it: "+
			"its priority is %d, and that of %s is %d (of equals, the smaller name governs)",
			other.Name, other.Spec.Priority, profile.Name, profile.Spec.Priority))
	}
	return obstacles(needsHelp, unselected(profile, ns))
}

// unselected says why a profile does not select a namespace.
func unselected(profile *v1alpha1.SecurityProfile, ns *corev1.Namespace) string {
	says := "SecurityProfile " + profile.Name + " does not select the namespace: "
	for _, pattern := range profile.Spec.ExcludeNamespaces {
		if excluded, err := path.Match(pattern, ns.Name); err == nil && excluded {
			return says + "it excludes " + pattern
		}
	}
	selector, err := metav1.LabelSelectorAsSelector(profile.Spec.NamespaceSelector.AsLabelSelector())
	if err != nil {
		return says + err.Error()
	}
	var unmet []string
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if !r.Matches(labels.Set(ns.Labels)) {
			unmet = append(unmet, r.String())
		}
	}
	return says + fmt.Sprintf("it asks for %s, and the namespace is labelled %s",
		strings.Join(unmet, ", "), labels.Set(ns.Labels))
}
