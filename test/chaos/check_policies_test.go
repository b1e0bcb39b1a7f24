package chaos

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// policyOf is what is compared of a policy or a binding: what it does, and what only Bulwark may
// say of it. Other metadata is others'.
type policyOf struct {
	Profile, ManagedBy string
	Owners             []metav1.OwnerReference
	Terminates         bool
	Spec               any
}

func contentOf(o client.Object) policyOf {
	p := policyOf{
		Profile: o.GetLabels()[v1alpha1.ProfileLabel], ManagedBy: o.GetLabels()[v1alpha1.ManagedByLabel],
		Owners: o.GetOwnerReferences(), Terminates: o.GetDeletionTimestamp() != nil,
	}
	switch o := o.(type) {
	case *admissionregistrationv1.ValidatingAdmissionPolicy:
		p.Spec = o.Spec
	case *admissionregistrationv1.ValidatingAdmissionPolicyBinding:
		p.Spec = o.Spec
	}
	return p
}

// policiesOf are the policies and bindings that a profile must have in the cluster, by the model's
// own order of profiles, where other rules for pods are in force in some namespaces.
func (w *world) policiesOf(profile *v1alpha1.SecurityProfile, held ...admission.Held) ([]baseline.Object, error) {
	protected, err := selection.Protected(v1alpha1.OperatorNamespace)
	if err != nil {
		return nil, err
	}
	proof, err := w.plane.OperatorProof(w.ctx)
	if err != nil {
		return nil, err
	}
	return admission.Objects(admission.Render(profile, admission.Cluster{
		Outranking: w.model.outranking(
			profile,
		),
		Protected: protected,
		Operator:  controlplane.OperatorUser,
		Proof:     proof,
		Held:      held,
	})), nil
}

// checkPolicies holds that each profile's policies are in the cluster exactly as they are to be,
// and nothing else that is ours.
func (c *check) checkPolicies() error {
	declared := map[string]bool{}
	for name := range c.w.model.profiles {
		live := c.profiles[name]
		if live == nil {
			continue // That has been said.
		}
		desired, err := c.w.policiesOf(live, c.heldBy(live)...)
		if err != nil {
			return err
		}
		conflict := false
		for _, want := range desired {
			id := key(want.(client.Object))
			declared[id] = true
			if c.policies[id] == nil && c.bindsStranger(want) {
				continue
			}
			conflict = c.checkPolicy(live, id, want.(client.Object)) || conflict
		}
		c.conflicted[name] = conflict
		c.checkAdmissionReady(live, len(desired) > 0, conflict)
		c.checkPolicyDrift(live)
	}
	c.checkUndeclared(declared)
	return nil
}

// checkUndeclared holds that nothing else is ours.
func (c *check) checkUndeclared(declared map[string]bool) {
	for id, o := range c.policies {
		if profile := o.GetLabels()[v1alpha1.ProfileLabel]; declared[id] ||
			c.w.model.forgedPolicies[id] && c.w.model.profiles[profile] == nil {
			continue // What bears the name of a profile that never was is nobody's.
		}
		_, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
		if labelled || drift.Ours(o.(baseline.Object)) {
			c.differ(
				"%s, which says that it is of profile %q, is declared by none: %v",
				id,
				o.GetLabels()[v1alpha1.ProfileLabel],
				o.GetOwnerReferences(),
			)
		}
	}
}

// bindsStranger reports whether an object would bind a policy of another maker: then it need not be
// there.
func (c *check) bindsStranger(want baseline.Object) bool {
	binding, ok := want.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding)
	if !ok {
		return false
	}
	policy := c.policies[key(&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: objectMeta("", binding.Spec.PolicyName)})]
	return policy != nil && !drift.Ours(policy.(baseline.Object))
}

// checkPolicy holds that one object is as declared, and reports whether it is rightly taken for
// another maker's.
func (c *check) checkPolicy(profile *v1alpha1.SecurityProfile, id string, want client.Object) (conflict bool) {
	got := c.policies[id]
	if got == nil {
		c.differ("%s of profile %s is missing", id, profile.Name)
		return false
	}
	if !drift.Ours(got.(baseline.Object)) && !profile.Adopts() {
		if _, occupied := c.w.model.foreign[id]; !occupied && !c.w.model.strippedPolicies[id] {
			c.differ("%s of profile %s was ours, and counts as another maker's", id, profile.Name)
		}
		return true
	}
	if diff := cmp.Diff(contentOf(want), contentOf(got), cmpopts.EquateEmpty()); diff != "" {
		c.differ("%s of profile %s is not as declared (-want +got): %s", id, profile.Name, diff)
	}
	return false
}

// checkAdmissionReady holds that the status says whether policies are in force.
func (c *check) checkAdmissionReady(profile *v1alpha1.SecurityProfile, declares, conflict bool) {
	want, got := "absent", "absent"
	switch {
	case declares && conflict:
		want = fmt.Sprint(metav1.ConditionFalse, v1alpha1.ReasonConflicted, profile.Generation)
	case declares:
		want = fmt.Sprint(metav1.ConditionTrue, v1alpha1.ReasonInForce, profile.Generation)
	}
	message := ""
	if ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission); ready != nil {
		got, message = fmt.Sprint(ready.Status, ready.Reason, ready.ObservedGeneration), ready.Message
	}
	if got != want {
		c.differ(
			"the condition %s of profile %s is %s, and should be %s: %s",
			v1alpha1.ConditionAdmission,
			profile.Name,
			got,
			want,
			message,
		)
	}
}

// checkPolicyDrift holds that what the status holds of the drift of policies can be true, and that
// their number never falls.
func (c *check) checkPolicyDrift(profile *v1alpha1.SecurityProfile) {
	entries := policyDrift(profile)
	total := profile.Status.PolicyDriftTotal
	if total < int64(len(entries)) || total < c.w.model.policyDrifts[profile.UID] {
		c.differ(
			"profile %s counts %d drifts of policies, holds %d and counted %d before",
			profile.Name,
			total,
			len(entries),
			c.w.model.policyDrifts[profile.UID],
		)
	}
	c.w.model.notePolicyDrifts(profile)
	for _, entry := range entries {
		known := slices.ContainsFunc(baseline.ClusterKinds, func(k baseline.Kind) bool { return k.Kind == entry.Object.Kind })
		if !known || entry.State != v1alpha1.DriftStateCorrected {
			c.differ("profile %s holds a drift that can be no policy's: %+v", profile.Name, entry)
		}
	}
}

// policyDrift is the drift of policies that a status holds.
func policyDrift(profile *v1alpha1.SecurityProfile) []v1alpha1.DriftEntry {
	return slices.DeleteFunc(
		slices.Clone(profile.Status.Drift),
		func(e v1alpha1.DriftEntry) bool { return e.Namespace != "" },
	)
}

// notePolicyDrifts remembers how many drifts a profile has counted.
func (m *model) notePolicyDrifts(profile *v1alpha1.SecurityProfile) {
	m.policyDrifts[profile.UID] = max(m.policyDrifts[profile.UID], profile.Status.PolicyDriftTotal)
}
