package admission

import (
	"fmt"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// hostRules are about what a pod takes of its host.
func (x exceptions) hostRules(w *v1alpha1.Workloads) []podRule {
	var rules []podRule
	if w.HostPath != nil {
		rules = append(rules, hostPathRule(w.HostPath.Allowed))
	}
	if w.HostPort != nil {
		var ranges, said []string
		for _, a := range w.HostPort.Allowed {
			ranges = append(ranges, fmt.Sprintf(`(p >= %d && p <= %d)`, a.Min, a.Max))
			said = append(said, fmt.Sprintf("%d-%d", a.Min, a.Max))
		}
		taken := judged(hostPorts)
		rules = append(rules, podRule{
			name: "hostPort",
			what: "container",
			offenders: x.broken(
				"hostPort",
				"variables.containers",
				taken.now()+`.all(p, `+some(append([]string{"p == 0"}, ranges...))+`)`,
				taken,
			),
			must: "must take " + noneOr("host port", said),
		})
	}
	if w.HostNetwork == v1alpha1.ProhibitionForbid {
		rules = append(rules, podRule{
			name:      "hostNetwork",
			offenders: `variables.podSpec.?hostNetwork.orValue(false) && !variables.podSpecBefore.?hostNetwork.orValue(false) ? ["pod"] : []`,
			must:      "must not set hostNetwork to true",
		})
	}
	return rules
}

// hostPorts are the ports of the host that a container takes, and 0 for each that it does not. In
// the host's network each port of a container is one of the host, as Kubernetes defaults it.
func hostPorts(container, podSpec string) string {
	return fmt.Sprintf(`%s.?ports.orValue([]).map(p, int(p.?hostPort.orValue(`+
		`%s.?hostNetwork.orValue(false) ? p.?containerPort.orValue(0) : 0)))`, container, podSpec)
}

func hostPathRule(allowed []v1alpha1.AllowedHostPath) podRule {
	var conditions, said []string
	for _, a := range allowed {
		below := fmt.Sprintf(
			`(v.hostPath.path == %s || v.hostPath.path.startsWith(%s))`,
			quote(a.PathPrefix),
			quote(a.PathPrefix+"/"),
		)
		word := a.PathPrefix
		if a.ReadOnly == v1alpha1.RequirementRequire {
			word += " (readOnly)"
			below = all(
				[]string{
					below,
					`variables.containers.all(c, c.now.?volumeMounts.orValue([]).all(m, m.name != v.name || m.?readOnly.orValue(false)))`,
				},
			)
		}
		conditions = append(conditions, below)
		said = append(said, word)
	}
	holds := some(conditions) + ` && !v.hostPath.path.split("/").exists(s, s == "..")`
	return podRule{
		name: "hostPath",
		what: "volume",
		offenders: fmt.Sprintf(
			`variables.podSpec.?volumes.orValue([]).filter(v, has(v.hostPath) && !(%s) && !(%s)).map(v, string(v.name))`,
			holds,
			sameHostPath,
		),
		must: "must be " + noneOr("hostPath", said),
	}
}

// noneOr says that there may be none of something, or only those that are allowed.
func noneOr(what string, allowed []string) string {
	if len(allowed) == 0 {
		return "no " + what
	}
	return "no " + what + " but " + words(allowed)
}
