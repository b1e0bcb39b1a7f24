package gather

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/grants"
)

// boundRoles maps the ClusterRoles that bindings of the profile give here, and that permit what a
// profile must not grant and what they do not have from Kubernetes.
func boundRoles(
	desired []baseline.Object, outcomes []drift.Outcome, verdict func(clusterRole string) grants.Verdict,
) map[string]findings.BoundRole {
	bound := map[string]findings.BoundRole{}
	for _, o := range desired {
		binding, ok := o.(*rbacv1.RoleBinding)
		if !ok || binding.RoleRef.Kind != "ClusterRole" || !gives(binding, outcomes) {
			continue
		}
		name := binding.RoleRef.Name
		if permits := verdict(name).Unexpected; permits != "" {
			bound[name] = findings.BoundRole{Permits: permits, Bindings: append(bound[name].Bindings, binding.Name)}
		}
	}
	return bound
}

// gives reports whether a declared RoleBinding gives its role after the pass. Under Audit it is one
// that would.
func gives(binding *rbacv1.RoleBinding, outcomes []drift.Outcome) bool {
	i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == baseline.Reference(binding) })
	if i < 0 || outcomes[i].State == v1alpha1.DriftStateCorrected {
		return true
	}
	o := outcomes[i]
	if o.State == v1alpha1.DriftStateConflict {
		return false
	}
	got, exists := o.Got.(*rbacv1.RoleBinding)
	return o.Err == nil || exists && got.RoleRef == binding.RoleRef
}
