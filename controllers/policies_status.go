package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// bearOn sets what the pass over the policies means for the profile: the condition AdmissionReady, and, where they could not be put in
// force, that the profile is not ready. Without a pass the condition stays what it was.
func (p *policing) bearOn(status *v1alpha1.SecurityProfileStatus, hold []metav1.Condition, now time.Time) []metav1.Condition {
	if p == nil {
		return hold
	}
	if len(p.desired) == 0 && len(p.outcomes) == 0 && p.looking == 0 {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionAdmission)
		return hold
	}
	condition, blocks := p.condition()
	setCondition(status, condition, now)
	if !blocks {
		return hold
	}
	hold = slices.DeleteFunc(hold, func(c metav1.Condition) bool { return c.Type != v1alpha1.ConditionCompliant })
	ready, stalled := condition, condition
	ready.Type = v1alpha1.ConditionReady
	stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	return append(hold, ready, stalled)
}

// condition is AdmissionReady, and whether the profile is not ready for its sake.
func (p *policing) condition() (condition metav1.Condition, blocks bool) {
	condition = metav1.Condition{Type: v1alpha1.ConditionAdmission, Status: metav1.ConditionFalse}
	contests := p.contests()
	var conflicts, failures []string
	for _, o := range p.outcomes {
		name := o.Object.Kind + " " + o.Object.Name
		switch {
		case o.Err != nil:
			failures = append(failures, name+": "+printable.Message(o.Err.Error()))
		case o.State == v1alpha1.Conflict:
			conflicts = append(conflicts, name)
		}
	}
	warnings := typeWarnings(p.found)
	switch {
	case len(failures) > 0:
		condition.Reason, condition.Message = v1alpha1.ReasonFailed, "the API server refused policies: "+listed(failures)
		return condition, true
	case len(conflicts) > 0:
		condition.Reason, condition.Message = v1alpha1.ReasonConflicted,
			"policies of another maker bear the names of the profile's: "+listed(conflicts)+"; delete or rename them, or set spec.adoption to Adopt"
		return condition, true
	case len(contests) > 0:
		condition.Reason, condition.Message = v1alpha1.ReasonContested, "other managers keep changing policies back: "+listed(contests)
	case len(warnings) > 0:
		condition.Reason, condition.Message = v1alpha1.ReasonTypeWarnings, "kube-controller-manager warns of expressions: "+listed(warnings)
	case p.looking > 0:
		condition.Reason = v1alpha1.ReasonLooking
		condition.Message = fmt.Sprintf("the rules for pods stay as they are until it is known what runs in %d namespaces that have not been looked at yet", p.looking)
	case p.cost.err != nil:
		condition.Reason, condition.Message = v1alpha1.ReasonTooCostly,
			"the API server would refuse the largest pods, since it cannot judge one: "+printable.Message(p.cost.err.Error())
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, v1alpha1.ReasonInForce
		condition.Message = fmt.Sprintf("%d admission policies are in force", len(p.desired)/2)
		if p.cost.percent > 0 {
			condition.Message += fmt.Sprintf("; judging the largest pod costs up to %d %% of what the API server spends on a policy", p.cost.percent)
		}
	}
	return condition, false
}

// contests say who contests which policy.
func (p *policing) contests() []string {
	var contests []string
	for _, o := range p.outcomes {
		told := slices.ContainsFunc(p.disputes, func(d contention.Dispute) bool { return d.Object == o.Object })
		if o.State == v1alpha1.Contested && !told {
			contests = append(contests, o.Object.Kind+" "+o.Object.Name+" by "+drift.ManagerName(o.By.Manager))
		}
	}
	for _, d := range p.disputes {
		contests = append(contests, d.Object.Kind+" "+d.Object.Name+" is "+d.Sentence(p.answer))
	}
	return contests
}

// maxListedPolicies bounds the policies that a condition's message names.
const maxListedPolicies = 3

func listed(words []string) string {
	if len(words) > maxListedPolicies {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:maxListedPolicies], "; "), len(words)-maxListedPolicies)
	}
	return strings.Join(words, "; ")
}

// typeWarnings are what kube-controller-manager has against the expressions of policies.
func typeWarnings(found []baseline.Object) []string {
	var warnings []string
	for _, o := range found {
		policy, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicy)
		if !ok || policy.Status.TypeChecking == nil || policy.Status.ObservedGeneration != policy.Generation {
			continue
		}
		for _, w := range policy.Status.TypeChecking.ExpressionWarnings {
			warnings = append(warnings, fmt.Sprintf("%s %s: %s", policy.Name, w.FieldRef, printable.Message(strings.Join(strings.Fields(w.Warning), " "))))
		}
	}
	return warnings
}

// recordDrift keeps the drift of policies that the status holds, which is what bears no namespace, and adds what was corrected since it was
// written, beside the drift of namespaces.
func (p *policing) recordDrift(profile *v1alpha1.SecurityProfile, status *v1alpha1.SecurityProfileStatus, now time.Time) {
	status.PolicyDriftTotal = profile.Status.PolicyDriftTotal
	for _, entry := range profile.Status.Drift {
		if entry.Namespace == "" {
			status.Drift = append(status.Drift, *entry.DeepCopy())
		}
	}
	if p != nil {
		for i := range p.corrected {
			status.PolicyDriftTotal++
			status.Drift = append(status.Drift, p.corrected[i].Entry("", now))
		}
	}
	status.DriftTotal = posture.Add(status.DriftTotal, status.PolicyDriftTotal)
	slices.SortStableFunc(status.Drift, newestFirst)
	status.Drift = status.Drift[:min(len(status.Drift), v1alpha1.MaxDrift)]
}

// told reports whether the status says already what has become of an object.
func told(profile *v1alpha1.SecurityProfile, o *drift.Outcome) bool {
	says := func(reason string) bool {
		ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission)
		return ready != nil && ready.Reason == reason && ready.ObservedGeneration == profile.Generation
	}
	switch {
	case o.Err != nil:
		return says(v1alpha1.ReasonFailed)
	case o.State == v1alpha1.Conflict:
		return says(v1alpha1.ReasonConflicted)
	case o.State == v1alpha1.Contested:
		return says(v1alpha1.ReasonContested)
	}
	return true
}

// inForce reports whether the profile's status says that its policies are in force, as they are declared now. What is said against
// their expressions, or who contests them, does not change that.
func inForce(profile *v1alpha1.SecurityProfile) bool {
	ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission)
	return ready != nil && ready.ObservedGeneration == profile.Generation &&
		ready.Reason != v1alpha1.ReasonFailed && ready.Reason != v1alpha1.ReasonConflicted && ready.Reason != v1alpha1.ReasonLooking
}

// policyCost is what the costliest policy of a profile costs the API server.
type policyCost struct {
	percent int64 // of what the API server spends at most
	err     error // set if it is more than that
}

// costs remembers what renderings cost, since to find out takes as long as compiling them.
type costs map[string]costOf // by profile

type costOf struct {
	digest digest
	cost   policyCost
}

// of is what the profile's policies cost where no other outranks it: to tell that another does costs next to nothing beside.
func (c costs) of(ctx context.Context, profile *v1alpha1.SecurityProfile, cluster admission.Cluster) (policyCost, error) {
	rendered := admission.Render(profile, cluster)
	if len(rendered) == 0 {
		delete(c, profile.Name)
		return policyCost{}, nil
	}
	now, err := digestOf(admission.Objects(rendered))
	if err != nil {
		return policyCost{}, err
	}
	last, known := c[profile.Name]
	if !known || last.digest != now {
		last = costOf{digest: now}
		last.cost.percent, last.cost.err = offline.Costliest(ctx, profile, rendered)
		c[profile.Name] = last
	}
	return last.cost, nil
}
