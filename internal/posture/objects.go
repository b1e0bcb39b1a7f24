package posture

import (
	"cmp"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	// undeleted begins the message on an object that should not be there, and that the API server
	// refuses to delete: it is in place.
	undeleted = "cannot be deleted: "
	// ChangedByAdmission begins the message on an object that a mutating webhook or admission
	// policy changes.
	ChangedByAdmission = "changed by admission: "
)

// MutationSentence says what a mutating webhook or admission policy made of a write.
func MutationSentence(fields []drift.Field) string {
	return printable.Message(ChangedByAdmission + strings.Join(drift.FieldTexts(fields), "; ") +
		"; a mutating webhook or admission policy changes what Bulwark writes")
}

// objects are the desired objects and, after them, those that should not be there, with their
// states.
func (r *reporting) objects() []v1alpha1.ManagedObject {
	var objects []v1alpha1.ManagedObject
	for _, want := range r.Desired {
		o := managedObject(baseline.Reference(want), r.Outcomes)
		objects = append(objects, r.contestedOr(r.deferredOr(o)))
	}
	for _, o := range r.Outcomes {
		if o.Change == v1alpha1.DriftChangeUnexpected && o.State != v1alpha1.DriftStateCorrected {
			objects = append(objects, r.contestedOr(managedObject(o.Object, r.Outcomes)))
		}
	}
	return append(objects, r.contestedCopies(objects)...)
}

// deferredOr is an object that is deferred, if it is and what is in its place is as it should be.
func (r *reporting) deferredOr(o v1alpha1.ManagedObject) v1alpha1.ManagedObject {
	if !r.Deferred.Defers(o.ObjectReference) || o.State != v1alpha1.ObjectStateCompliant {
		return o
	}
	o.State = v1alpha1.ObjectStateBlocked
	o.Message = "waits, since it would refuse what runs here: see blocked"
	return o
}

// managedObject is the state of one object after the pass.
func managedObject(ref v1alpha1.ObjectReference, outcomes []drift.Outcome) v1alpha1.ManagedObject {
	object := v1alpha1.ManagedObject{ObjectReference: ref, State: v1alpha1.ObjectStateCompliant}
	o := drift.OutcomeOf(ref, outcomes)
	if o == nil {
		return object
	}
	switch o.State {
	case v1alpha1.DriftStateConflict:
		object.State = v1alpha1.ObjectStateConflict
		object.Message = "an object of this name exists that Bulwark did not make; delete or rename it, " +
			"or set spec.adoption to Adopt"
	case v1alpha1.DriftStateContested:
		object.State = v1alpha1.ObjectStateDrifted
		object.Message = ContestedBy + drift.ManagerName(o.By.Manager) + ": corrections wait with a growing delay"
	case v1alpha1.DriftStatePresent:
		object.State, object.Message = v1alpha1.ObjectStateDrifted, string(o.Change)
		if len(o.Mutated) > 0 {
			object.Message = MutationSentence(o.Mutated)
		}
		if o.Standing != "" {
			object.State, object.Message = v1alpha1.ObjectStateFailed, o.Standing
		}
		if o.Err != nil {
			object.State = v1alpha1.ObjectStateFailed
			object.Message = printable.Message(o.Err.Error()) + cmp.Or(o.Hint, remedy(o.Want, o.Err))
			if o.Change == v1alpha1.DriftChangeUnexpected {
				object.Message = printable.Message(undeleted + o.Err.Error())
			}
		}
	}
	return object
}

// remedy is what a cluster's administrator can do about a refusal, where there is something to say
// beyond the API server's words.
func remedy(want baseline.Object, err error) string {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota") {
		return "; remedy: raise the quota that counts these objects"
	}
	if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
		return ""
	}
	switch o := want.(type) {
	case *rbacv1.Role:
		return "; remedy: to let profiles grant these rules, label a ClusterRole that holds them " +
			v1alpha1.AggregateToGrantableLabel + "=true"
	case *rbacv1.RoleBinding:
		if o.RoleRef.Kind == "Role" {
			return "; remedy: that of Role " + o.RoleRef.Name + ", which this binds"
		}
		return "; remedy: to let profiles bind this role, make sure that it exists, and label " +
			v1alpha1.AggregateToGrantableLabel + "=true a ClusterRole that permits the verb bind on it in " + rbacv1.GroupName
	}
	return ""
}
