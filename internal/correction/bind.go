package correction

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// bind makes a declared RoleBinding what is declared, unless it must not be bound. Then nobody is
// given anything new by it, and what is given already stays.
func (w *write) bind(ctx context.Context) (answer, error) {
	d := w.o.Drift
	want := d.Want.(*rbacv1.RoleBinding)
	refusal := w.e.CheckBinding(ctx, want)
	got, exists := d.Got.(*rbacv1.RoleBinding)
	switch {
	case refusal == nil:
		return w.carryOut(ctx)
	case !exists:
		return answer{}, refusal
	case d.Replaces() && !d.Foreign && !d.Terminates() && w.e.CheckBinding(ctx, got) != nil:
		return answer{}, errors.Join(refusal, client.IgnoreNotFound(w.e.Writer.Delete(ctx, got)))
	case d.Replaces():
		return answer{}, w.outlive(ctx, refusal)
	}
	narrowed := narrowed(want, got)
	if len(narrowed.Subjects) == len(want.Subjects) {
		return answered(w.e.Writer.Overwrite(ctx, want, got))
	}
	if len(drift.Differences(narrowed, got)) == 0 {
		return answer{}, refusal
	}
	_, err := w.e.Writer.Overwrite(ctx, narrowed, got)
	return answer{}, errors.Join(refusal, err)
}

// bindingManagedRoles is the engine for one pass, which does not bind a Role that the pass found to
// be unmanaged. Whoever may write Roles would have the operator give what they say to the profile's
// subjects: the API server refuses only what the operator does not hold itself, and it holds what
// baselines consist of. Roles are corrected before the bindings to them.
func (e *Engine) bindingManagedRoles(done *Result) *Engine {
	binding := *e
	binding.CheckBinding = func(ctx context.Context, b *rbacv1.RoleBinding) error {
		if b.RoleRef.Kind != "Role" {
			return e.CheckBinding(ctx, b)
		}
		ref := baseline.Reference(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: b.RoleRef.Name}})
		if o := drift.OutcomeOf(ref, done.Outcomes); o == nil || o.State != v1alpha1.DriftStateConflict {
			return e.CheckBinding(ctx, b)
		}
		return apierrors.NewForbidden(rbacv1.Resource("rolebindings"), b.Name, fmt.Errorf(
			"the Role %s was not made by Bulwark: what it permits is not what the profile gives", b.RoleRef.Name))
	}
	return &binding
}

// narrowed is a declared RoleBinding with those of its subjects that the one that is there has.
func narrowed(want, got *rbacv1.RoleBinding) *rbacv1.RoleBinding {
	narrowed := want.DeepCopy()
	narrowed.Subjects = slices.DeleteFunc(narrowed.Subjects, func(s rbacv1.Subject) bool {
		return !slices.Contains(got.Subjects, s)
	})
	return narrowed
}
