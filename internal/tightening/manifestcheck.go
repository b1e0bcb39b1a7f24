package tightening

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Breach is a rule on requests and limits that a pod of a manifest would break.
type Breach struct {
	// Container is the name of whoever breaks it; empty if it is the whole pod.
	Container string
	Resource  corev1.ResourceName
	// Words say it as a sentence.
	Words string
	// Answer is what the admission plugin LimitRanger says; empty if API validation refuses it.
	Answer string
}

// Admitted is the pod that the API server makes of a manifest in a namespace with these
// LimitRanges, each as its items, in this order.
func Admitted(manifest *corev1.Pod, limits ...[]corev1.LimitRangeItem) *corev1.Pod {
	return limitRanges(limits).admitted(manifest)
}

// Breaches are the rules on requests and limits for which the API server would refuse a pod of a
// manifest in a namespace with these LimitRanges, in whichever order it takes them.
func Breaches(manifest *corev1.Pod, limits ...[]corev1.LimitRangeItem) []Breach {
	var breaches []Breach
	seen := map[string]bool{}
	orders := limitRanges(limits).orders()
	if len(orders) == 0 {
		orders = []limitRanges{nil}
	}
	for _, order := range orders {
		for _, v := range order.violations(manifest) {
			if seen[v.what] {
				continue
			}
			seen[v.what] = true
			name, isContainer := strings.CutPrefix(v.who, "container ")
			if !isContainer {
				name = ""
			}
			breaches = append(breaches, Breach{Container: name, Resource: v.resource, Words: v.text, Answer: v.answer})
		}
	}
	return breaches
}

// Unsaid are the entries of a quota of which a container of an admitted pod does not say how much
// it needs, so that the quota refuses the pod.
func Unsaid(hard corev1.ResourceList, admitted *corev1.Pod) corev1.ResourceName {
	return (&QuotaCheck{mustBeSaid: mustBeSaid(hard)}).unsaid(admitted)
}
