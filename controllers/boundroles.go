package controllers

import (
	"context"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/grants"
)

// namespacesUsing lists the namespaces that a change of a ClusterRole concerns: those of the
// profiles that bind it, and those in which an unmanaged RoleBinding does.
func (r *NamespaceReconciler) namespacesUsing(role string) []string {
	ctx := context.Background() // It reads memory only.
	var namespaces []string
	if r.facts != nil {
		namespaces = r.facts.NamespacesBinding(role)
	}
	var profiles v1alpha1.SecurityProfileList
	if err := r.Client.List(
		ctx,
		&profiles,
		client.UnsafeDisableDeepCopy,
		client.DisableReadYourWritesConsistency,
	); err != nil {
		logf.Log.Error(err, "Listing SecurityProfiles that bind a ClusterRole", "clusterRole", role)
		return namespaces
	}
	for i := range profiles.Items {
		if binds(&profiles.Items[i], role) {
			namespaces = append(namespaces, r.touchedBy(ctx, &profiles.Items[i])...)
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

func binds(profile *v1alpha1.SecurityProfile, role string) bool {
	return profile.Spec.RBAC != nil && slices.ContainsFunc(profile.Spec.RBAC.Bindings, func(b v1alpha1.RoleBinding) bool {
		return b.ClusterRole == role
	})
}

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
