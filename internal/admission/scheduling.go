package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// nodeConditions begins the keys of the taints by which Kubernetes tells a node's condition. It
// lets each pod tolerate some of them.
const nodeConditions = "node.kubernetes.io/"

// schedulingRules are about where a pod runs, and whom it puts out there.
func schedulingRules(w *v1alpha1.Workloads) []podRule {
	var rules []podRule
	if w.NodeName == v1alpha1.ProhibitionForbid {
		rules = append(rules, podRule{
			name: "nodeName",
			offenders: `variables.podSpec.?nodeName.orValue("") != "" && ` +
				`variables.podSpec.?nodeName != variables.podSpecBefore.?nodeName ? ["pod"] : []`,
			must: "must not set nodeName, since the scheduler alone chooses its node",
		})
	}
	if w.Tolerations != nil {
		rules = append(rules, tolerationRule(w.Tolerations.Allowed))
	}
	if w.PriorityClasses != nil {
		allowed := w.PriorityClasses.Allowed
		rules = append(rules, podRule{
			name: "priorityClasses",
			offenders: fmt.Sprintf(`variables.podSpec.?priorityClassName.orValue("") in %s || `+
				`variables.podSpec.?priorityClassName == variables.podSpecBefore.?priorityClassName ? [] : ["pod"]`,
				list(slices.Concat([]string{""}, allowed))),
			must: "must have " + noneOr("priorityClassName", allowed),
		})
	}
	return rules
}

// tolerationRule judges the tolerations that a request adds. One without a key tolerates every
// taint.
func tolerationRule(allowed []v1alpha1.AllowedToleration) podRule {
	conditions := []string{fmt.Sprintf(`t.?key.orValue("").startsWith(%s)`, quote(nodeConditions))}
	var said []string
	for _, a := range allowed {
		holds, word := fmt.Sprintf(`t.?key.orValue("") == %s`, quote(a.Key)), a.Key
		if len(a.Values) > 0 {
			holds = fmt.Sprintf(`(%s && t.?operator.orValue(%[2]s) in ["", %[2]s] && t.?value.orValue("") in %[3]s)`,
				holds, quote(string(corev1.TolerationOpEqual)), list(a.Values))
			word += "=" + words(a.Values)
		}
		conditions = append(conditions, holds)
		said = append(said, word)
	}
	same := `variables.podSpecBefore.?tolerations.orValue([]).exists(b, ` +
		`b.?key == t.?key && b.?operator == t.?operator && b.?value == t.?value && b.?effect == t.?effect)`
	return podRule{
		name: "tolerations", what: "toleration",
		offenders: fmt.Sprintf(`variables.podSpec.?tolerations.orValue([]).filter(t, !%s && !%s)`+
			`.map(t, t.?key.orValue("") == "" ? "of every taint" : string(t.key))`, "("+some(conditions)+")", same),
		must: "must be " + noneOr("toleration", said),
	}
}
