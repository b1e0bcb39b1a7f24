package admission

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// podRule is a rule that containers, or the pod as a whole, may break.
type podRule struct {
	// name is that of the variable that lists the offenders, and of the field that asks for the
	// rule.
	name string
	// offenders is a CEL list of the names of what breaks the rule.
	offenders string
	// what names one of the offenders, such as container or volume; empty if the rule is the pod's.
	what string
	// must says what is asked of them.
	must string
}

// templates are the requests for pods and for what has a pod template.
func templates() []admissionregistrationv1.NamedRuleWithOperations {
	return []admissionregistrationv1.NamedRuleWithOperations{
		on("", createOrUpdate, "pods", "pods/ephemeralcontainers", "pods/resize", "replicationcontrollers"),
		on("apps", createOrUpdate, "daemonsets", "deployments", "replicasets", "statefulsets"),
		on("batch", createOrUpdate, "cronjobs", "jobs"),
	}
}

// podSpec is the pod spec of a pod or of a template. Its type is left open: it is elsewhere in each
// kind.
func podSpec(object string) string {
	return fmt.Sprintf(`request.kind.kind == "Pod" ? dyn(%[1]s).spec : `+
		`request.kind.kind == "CronJob" ? dyn(%[1]s).spec.jobTemplate.spec.template.spec : dyn(%[1]s).spec.template.spec`, object)
}

// podSpecChanged matches what is created and what changes a pod spec: a pod that was there before a
// rule must still be able to lose its finalizers, and a Deployment to be scaled.
func podSpecChanged() admissionregistrationv1.MatchCondition {
	return admissionregistrationv1.MatchCondition{
		Name:       "pod-spec-is-new",
		Expression: fmt.Sprintf(`request.operation == "CREATE" || (%s) != (%s)`, podSpec("object"), podSpec("oldObject")),
	}
}

// podVariables are what all rules for pods begin with. A rule judges what a request changes: so
// each container goes along with the one that was there before it, which is the one of the same
// name in the same list. A pod that turns to another operating system is judged as if it were new.
func podVariables() []admissionregistrationv1.Variable {
	return []admissionregistrationv1.Variable{
		{Name: "podSpec", Expression: podSpec("object")},
		{Name: "isPod", Expression: `request.kind.kind == "Pod"`},
		{Name: "isNew", Expression: `request.operation == "CREATE"`},
		{Name: "podSpecFound", Expression: `variables.isNew ? dyn({}) : (` + podSpec("oldObject") + `)`},
		{
			Name:       "podSpecBefore",
			Expression: `variables.podSpec.?os.?name == variables.podSpecFound.?os.?name ? variables.podSpecFound : dyn({})`,
		},
		{Name: "mainContainers", Expression: withBefore("containers")},
		{Name: "initContainers", Expression: withBefore("initContainers")},
		{Name: "started", Expression: `variables.mainContainers + variables.initContainers`},
		{Name: "containers", Expression: `variables.started + ` + withBefore("ephemeralContainers")},
		{Name: "runsLinux", Expression: `variables.podSpec.?os.?name.orValue("linux") != "windows"`},
	}
}

// withBefore is a list of a pod spec in which each element is now what it is, and before a list of
// what bore its name: of one or none.
func withBefore(field string) string {
	return fmt.Sprintf(`variables.podSpec.?%[1]s.orValue([]).map(c, `+
		`{"now": c, "before": dyn(variables.podSpecBefore.?%[1]s.orValue([]).filter(b, b.name == c.name))})`, field)
}

// podPolicy is the policy that asks the rules of pods and templates. All that is broken is said in
// one message, since the API server passes on only the first.
func (r *renderer) podPolicy(d draft, section string, rules []podRule) []Policy {
	if len(rules) == 0 {
		return nil
	}
	d.askPods(rules)
	var messages []string
	for _, rule := range rules {
		messages = append(messages, rule.message())
	}
	d.variables = append(d.variables, admissionregistrationv1.Variable{
		Name: "broken", Expression: "[" + strings.Join(messages, ", ") + `].filter(m, m != "")`,
	})
	d.validations = []admissionregistrationv1.Validation{
		refusal(
			"variables.broken.size() == 0",
			fmt.Sprintf("breaks rules of %s of SecurityProfile %s, too many to list", section, r.profile.Name),
			fmt.Sprintf(
				`variables.broken.join("; ") + %s`,
				quote(fmt.Sprintf(" (%s of SecurityProfile %s)", section, r.profile.Name)),
			),
		),
	}
	return []Policy{r.policy(d)}
}

// eachRule is the policy that asks each of the rules by itself.
func (r *renderer) eachRule(d draft, rules []podRule) Policy {
	d.askPods(rules)
	for _, rule := range rules {
		d.validations = append(
			d.validations,
			refusal(fmt.Sprintf("variables.%s.size() == 0", rule.name), rule.name, rule.message()),
		)
	}
	return r.policy(d)
}

// askPods makes a draft one about pods and templates, with a variable for each rule that lists its
// offenders.
func (d *draft) askPods(rules []podRule) {
	d.rules = templates()
	d.conditions = []admissionregistrationv1.MatchCondition{podSpecChanged()}
	d.variables = append(podVariables(), d.variables...)
	for _, rule := range rules {
		d.variables = append(d.variables, admissionregistrationv1.Variable{Name: rule.name, Expression: rule.offenders})
	}
}

// maxOffenders bounds the offenders that a message names, so that it stays below the 5 KiB that the
// API server lets through.
const maxOffenders = 8

// message is what is said if the rule is broken, and else nothing.
func (p *podRule) message() string {
	found := "variables." + p.name
	if p.what == "" {
		return fmt.Sprintf(`%s.size() == 0 ? "" : %s`, found, quote(fmt.Sprintf("%s: the pod %s", p.name, p.must)))
	}
	return fmt.Sprintf(`%[1]s.size() == 0 ? "" : %[2]s + (%[1]s.size() == 1 ? " " : "s ") + `+
		`(%[1]s.size() <= %[3]d ? %[1]s.join(", ") : %[1]s.filter(n, %[1]s.indexOf(n) < %[3]d).join(", ") + " and others") + %[4]s`,
		found, quote(p.name+": "+p.what), maxOffenders, quote(" "+p.must))
}

// judged is what a rule looks at in a container, of its own and of its pod's, as CEL for a
// container and a pod spec.
type judged func(container, podSpec string) string

// now is what the container c of a list has of it.
func (j judged) now() string { return j("c.now", "variables.podSpec") }

// onLinux asks a rule of pods that do not run on Windows.
func onLinux(offenders string) string {
	return fmt.Sprintf(`variables.runsLinux ? %s : []`, offenders)
}
