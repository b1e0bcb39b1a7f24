package findings

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// BoundRole is a ClusterRole that bindings of the profile give and that permits what a profile must
// not grant.
type BoundRole struct {
	// Permits says what it permits of that.
	Permits string
	// Bindings are the names of the profile's RoleBindings that give it.
	Bindings []string
}

// boundRoles finds ClusterRoles that the profile gives and that permit what its own roles may not.
func (j *judge) boundRoles(bound map[string]BoundRole) {
	if len(bound) == 0 || !j.profile.LooksFor(v1alpha1.FindingIDForbiddenRulesBound) {
		return
	}
	for _, name := range sortedKeys(bound) {
		role := bound[name]
		j.add(v1alpha1.Finding{
			ID:       v1alpha1.FindingIDForbiddenRulesBound,
			Severity: v1alpha1.SeverityHigh,
			Object:   clusterRoleReference(name),
			Message: fmt.Sprintf(
				"it permits what a profile must not grant (%s), and RoleBinding %s of the profile gives it here",
				role.Permits,
				listed(printable.Names(role.Bindings), maxListed),
			),
			Remedy: "take the rules out of the ClusterRole and of those that it aggregates, " +
				"or bind another ClusterRole in spec.rbac.bindings",
		})
	}
}

// clusterRoleReference names a ClusterRole, of which no baseline holds any.
func clusterRoleReference(name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: baseline.PrintableName(name),
	}
}
