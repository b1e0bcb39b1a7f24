package admission

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Pass holds the facts that one pass over the policies of a profile found.
type Pass struct {
	// Desired is the number of policies and bindings that the profile is to have now.
	Desired int
	// Found are the policies and bindings that the pass found, before it corrected anything.
	Found []baseline.Object
	// Outcomes are the drifts that the pass found, and what became of each.
	Outcomes []drift.Outcome
	// Contests are sentences: which policy is contested, and by whom.
	Contests []string
	// Pending is the number of namespaces for whose reports the rules for pods wait.
	Pending int
	// Cost is what the costliest policy costs the API server.
	Cost Cost
}

// Cost is what the costliest policy of a profile costs the API server.
type Cost struct {
	// Percent is the share of what the API server spends at most on one policy.
	Percent int64
	// Err is set if the policy costs more than that.
	Err error
}

// Result is what a pass means for the status of the profile. Two results are the same if == says
// so.
type Result struct {
	// Condition is AdmissionReady without a generation and a time. It has no type if the profile
	// declares no policies and none is left.
	Condition metav1.Condition
	// Blocks is set if the profile is not ready because of the condition.
	Blocks bool
	// Pending is the number of namespaces for whose reports the rules for pods still wait.
	Pending int
}

// IsOutdated reports whether the rules for pods no longer wait, and the result is of a pass in
// which they still did: another pass puts them in force.
func (r *Result) IsOutdated(now PodRollout) bool { return r.Pending > 0 && now.Pending == 0 }

// Report is what the status of a profile is to say of its policies.
type Report struct {
	Result
	// Corrected are the drifts that were corrected and that no status holds yet.
	Corrected []drift.Outcome
}

// Result decides what the pass means for the status. The first case that holds decides:
//
//	the pass found                            AdmissionReady    the profile is not ready
//	nothing, and nothing is declared          is absent
//	that the API server refused a policy      Failed            because of it
//	an unmanaged policy of the same name      Conflicted        because of it
//	a contest                                 Contested
//	warnings of kube-controller-manager       TypeWarnings
//	namespaces without a current report       Looking
//	policies that cost too much               TooCostly
//	none of these                             InForce (True)
func (p *Pass) Result() Result {
	if p.Desired == 0 && len(p.Outcomes) == 0 && p.Pending == 0 {
		return Result{}
	}
	reason, message := p.verdict()
	status := metav1.ConditionFalse
	if reason == v1alpha1.ReasonInForce {
		status = metav1.ConditionTrue
	}
	return Result{
		Condition: metav1.Condition{
			Type: v1alpha1.ConditionAdmission, Status: status, Reason: reason, Message: message,
		},
		Blocks:  reason == v1alpha1.ReasonFailed || reason == v1alpha1.ReasonConflicted,
		Pending: p.Pending,
	}
}

func (p *Pass) verdict() (reason, message string) {
	failures, conflicts := p.troubles()
	warnings := typeWarnings(p.Found)
	switch {
	case len(failures) > 0:
		return v1alpha1.ReasonFailed, "the API server refused policies: " + printable.Listed(failures)
	case len(conflicts) > 0:
		return v1alpha1.ReasonConflicted, "policies of another maker bear the names of the profile's: " +
			printable.Listed(conflicts) + "; delete or rename them, or set spec.adoption to Adopt"
	case len(p.Contests) > 0:
		return v1alpha1.ReasonContested, "other managers keep changing policies back: " + printable.Listed(p.Contests)
	case len(warnings) > 0:
		return v1alpha1.ReasonTypeWarnings,
			"kube-controller-manager warns of expressions: " + printable.Listed(warnings)
	case p.Pending > 0:
		return v1alpha1.ReasonLooking, fmt.Sprintf("the rules for pods stay as they are until it is known what runs "+
			"in %d namespaces that have not been looked at yet", p.Pending)
	case p.Cost.Err != nil:
		return v1alpha1.ReasonTooCostly, "the API server would refuse the largest pods, since it cannot judge one: " +
			printable.Message(p.Cost.Err.Error())
	}
	message = fmt.Sprintf("%d admission policies are in force", p.Desired/2)
	if p.Cost.Percent > 0 {
		message += fmt.Sprintf("; judging the largest pod costs up to %d %% of what the API server spends on a policy",
			p.Cost.Percent)
	}
	return v1alpha1.ReasonInForce, message
}

// troubles lists what the API server refused, and what an unmanaged object of the same name keeps
// out.
func (p *Pass) troubles() (failures, conflicts []string) {
	for i := range p.Outcomes {
		o := &p.Outcomes[i]
		name := o.Object.Kind + " " + o.Object.Name
		switch {
		case o.Err != nil:
			failures = append(failures, name+": "+printable.Message(o.Err.Error()))
		case o.State == v1alpha1.DriftStateConflict:
			conflicts = append(conflicts, name)
		}
	}
	return failures, conflicts
}

// typeWarnings lists what kube-controller-manager has against the expressions of policies.
func typeWarnings(found []baseline.Object) []string {
	var warnings []string
	for _, o := range found {
		policy, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicy)
		if !ok || policy.Status.TypeChecking == nil || policy.Status.ObservedGeneration != policy.Generation {
			continue
		}
		for _, w := range policy.Status.TypeChecking.ExpressionWarnings {
			text := strings.Join(strings.Fields(w.Warning), " ")
			warnings = append(warnings, fmt.Sprintf("%s %s: %s", policy.Name, w.FieldRef, printable.Message(text)))
		}
	}
	return warnings
}

// Said is the condition AdmissionReady of the profile's status, if it is of the present generation;
// else one without a type.
func Said(profile *v1alpha1.SecurityProfile) metav1.Condition {
	said := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission)
	if said == nil || said.ObservedGeneration != profile.Generation {
		return metav1.Condition{}
	}
	return *said
}

// InForce reports whether a condition says that the policies are in force as the present generation
// of the profile declares them. Warnings about expressions and contests do not change that.
func InForce(said metav1.Condition) bool {
	return said.Type != "" && !slices.Contains(
		[]string{v1alpha1.ReasonFailed, v1alpha1.ReasonConflicted, v1alpha1.ReasonLooking}, said.Reason)
}

// Tells reports whether a condition tells already what became of a drift.
func Tells(said metav1.Condition, o *drift.Outcome) bool {
	switch {
	case o.Err != nil:
		return said.Reason == v1alpha1.ReasonFailed
	case o.State == v1alpha1.DriftStateConflict:
		return said.Reason == v1alpha1.ReasonConflicted
	case o.State == v1alpha1.DriftStateContested:
		return said.Reason == v1alpha1.ReasonContested
	}
	return true
}

// History lists the corrections of one pass that belong in the history. A contest is in it once,
// for as long as the condition tells of it.
func History(said metav1.Condition, outcomes []drift.Outcome) []drift.Outcome {
	var history []drift.Outcome
	for i := range outcomes {
		o := outcomes[i]
		if !o.Done || !o.Recorded || o.State == v1alpha1.DriftStateContested && Tells(said, &o) {
			continue
		}
		o.State = v1alpha1.DriftStateCorrected
		history = append(history, o)
	}
	return history
}
