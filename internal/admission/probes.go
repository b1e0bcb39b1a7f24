package admission

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Probes are asked of what the kubelet restarts whenever it ends, container by container:
//
//	container       restarted whenever it ends if
//	main            its own restartPolicy is Always; without one, the pod's is
//	                one of its restartPolicyRules restarts it: which exit code it ends with, it decides itself
//	                a rule of any container of the pod restarts all containers
//	init            its own restartPolicy is Always, which makes it a sidecar; others can have no probes
//	ephemeral       never, and it can have none
//
// A container that is restarted on failure only, or never, runs to an end.
func (x exceptions) probeRules(probes []v1alpha1.Probe) []podRule {
	var rules []podRule
	for _, probe := range probes {
		field := map[v1alpha1.Probe]string{
			v1alpha1.ProbeLiveness: "livenessProbe", v1alpha1.ProbeReadiness: "readinessProbe", v1alpha1.ProbeStartup: "startupProbe",
		}[probe]
		probed := judged(func(container, _ string) string { return fmt.Sprintf(`%s.?%s.hasValue()`, container, field) })
		name := "requireProbes" + string(probe)
		unprobed := func(containers string, restarts judged) string {
			return x.broken(name, containers, fmt.Sprintf(`!(%s) || %s`, restarts.now(), probed.now()), probed, restarts)
		}
		rules = append(rules, podRule{
			name: name, what: "container",
			offenders: unprobed("variables.mainContainers", restarts) + " + " + unprobed("variables.initContainers", isSidecar),
			must:      "must have a " + field,
		})
	}
	return rules
}

const always = string(corev1.RestartPolicyAlways)

// restarts is whether a main container is restarted whenever it ends. Rules count beside a
// restartPolicy only, as the kubelet has it, and the API server admits none without.
func restarts(container, podSpec string) string {
	return fmt.Sprintf(
		`(%[1]s.?restartPolicy.orValue(%[2]s.?restartPolicy.orValue(%[3]q)) == %[3]q || %[2]s%[4]s || %[5]s)`,
		container,
		podSpec,
		always,
		restartsAll,
		hasRestartRule(container, corev1.ContainerRestartRuleActionRestart),
	)
}

// restartsAll ends the names of the variables that are whether a rule of some container restarts
// all of them, for the pod spec and the one before.
const restartsAll = "RestartsAll"

func probeVariables() []admissionregistrationv1.Variable {
	var variables []admissionregistrationv1.Variable
	for _, podSpec := range []string{"podSpec", "podSpecBefore"} {
		variables = append(variables, admissionregistrationv1.Variable{
			Name: podSpec + restartsAll,
			Expression: fmt.Sprintf(
				`[variables.%[1]s.?containers.orValue([]), variables.%[1]s.?initContainers.orValue([])].exists(l, l.exists(c, %[2]s))`,
				podSpec,
				hasRestartRule("c", corev1.ContainerRestartRuleActionRestartAllContainers),
			),
		})
	}
	return variables
}

func hasRestartRule(container string, action corev1.ContainerRestartRuleAction) string {
	return fmt.Sprintf(`%s.?restartPolicyRules.orValue([]).exists(r, r.?action.orValue("") == %q)`, container, action)
}

// isSidecar is whether an init container is restarted whenever it ends.
func isSidecar(container, _ string) string {
	return fmt.Sprintf(`(%s.?restartPolicy.orValue("") == %q)`, container, always)
}
