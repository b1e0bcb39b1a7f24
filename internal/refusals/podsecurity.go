package refusals

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// check is a check of Pod Security: the reason that it gives, and its id at each level, where it is
// asked there.
type check struct {
	reason                   *regexp.Regexp
	atBaseline, atRestricted string
}

// podSecurityChecks are all of them. Two that give the same reason are told apart by the level.
var podSecurityChecks = []check{
	gives("allowPrivilegeEscalation != false", "", "allowPrivilegeEscalation"),
	gives("forbidden AppArmor profiles?", "appArmorProfile", ""),
	gives("non-default capabilities", "capabilities_baseline", ""),
	gives("unrestricted capabilities", "", "capabilities_restricted"),
	gives("host namespaces", "hostNamespaces", ""),
	gives("hostPath volumes", "hostPathVolumes", ""),
	gives("hostPort", "hostPorts", ""),
	gives("probe or lifecycle host", "hostProbesAndHostLifecycle", ""),
	gives("privileged", "privileged", ""),
	gives("procMount", "procMount", "procMount_restricted"),
	gives("restricted volume types", "", "restrictedVolumes"),
	gives("runAsNonRoot != true", "", "runAsNonRoot"),
	gives("runAsUser=0", "", "runAsUser"),
	gives("seLinuxOptions", "seLinuxOptions", ""),
	gives("seccompProfile", "seccompProfile_baseline", "seccompProfile_restricted"),
	gives("forbidden sysctls", "sysctls", ""),
	gives("hostProcess", "windowsHostProcess", ""),
}

// gives is a check by its reason. Reasons are listed with commas between, each with its details in
// brackets.
func gives(reason, atBaseline, atRestricted string) check {
	return check{regexp.MustCompile(`(?:^|, )` + reason + `(?: \(|, |$)`), atBaseline, atRestricted}
}

// ofPodSecurity are the checks that a level says that a pod fails, in its order.
func ofPodSecurity(level, said string) []string {
	type failed struct {
		id string
		at int
	}
	var all []failed
	for _, c := range podSecurityChecks {
		found := c.reason.FindStringIndex(said)
		if found == nil {
			continue
		}
		id := cmp.Or(c.atBaseline, c.atRestricted)
		if strings.HasPrefix(level, "restricted:") {
			id = cmp.Or(c.atRestricted, c.atBaseline)
		}
		all = append(all, failed{podSecurityRule + id, found[0]})
	}
	slices.SortFunc(all, func(a, b failed) int { return cmp.Compare(a.at, b.at) })
	var ids []string
	for _, f := range all {
		ids = append(ids, f.id)
	}
	return ids
}
