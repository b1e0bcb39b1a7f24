package admission

import (
	"fmt"

	resourcev1 "k8s.io/api/resource/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// guardAdminAccess guards the label of a namespace by which Kubernetes admits claims there that
// have administrative access to devices, beside the pods that use them (DRA). Whoever may update
// the profile may set it. Another may neither set it on a governed namespace, nor have one selected
// that has it; what had it before the profile came keeps it.
func (r *renderer) guardAdminAccess() tampering {
	granted := func(labels string) string {
		return fmt.Sprintf(`%s[?%s] == optional.of("true")`, labels, quote(resourcev1.DRAAdminNamespaceLabelKey))
	}
	return tampering{
		name: "exposes",
		holds: fmt.Sprintf(`variables.governedNow && %s && !(variables.governedBefore && %s)`,
			granted("variables.labelsNow"), granted("variables.labelsBefore")),
		unless: fmt.Sprintf(`authorizer.group(%s).resource("securityprofiles").name(%s).check("update").allowed()`,
			quote(v1alpha1.GroupVersion.Group), quote(r.profile.Name)),
		message: fmt.Sprintf("by the label %s the namespace would have administrative access to devices; "+
			"only those who may update the profile can set it",
			resourcev1.DRAAdminNamespaceLabelKey),
	}
}
