package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/takeover"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// answer is what the API server has made of a write.
type answer struct {
	// object is what is there now; nil if nothing is to exist.
	object baseline.Object
	// notices are what is to be told of the write.
	notices []events.Notice
	// level is the stricter Pod Security level that was put in place, if one was.
	level appliedLevel
}

func answered(object baseline.Object, err error) (answer, error) { return answer{object: object}, err }

// writer makes the writes.
func (r *NamespaceReconciler) writer() correction.Writer {
	return correction.Writer{Client: r.Client, Live: r.Live}
}

// correct makes the one write, or for an immutable field the two, that end a drift, and returns
// what the API server has made of it, if the object is to exist.
func (r *NamespaceReconciler) correct(ctx context.Context, p *posture.Pass, o *drift.Outcome) (answer, error) {
	if _, ok := o.Want.(*rbacv1.RoleBinding); ok {
		return r.bind(ctx, p, o)
	}
	return r.write(ctx, p, o)
}

// write makes the write, whatever it grants.
func (r *NamespaceReconciler) write(ctx context.Context, p *posture.Pass, o *drift.Outcome) (answer, error) {
	switch d := o.Drift; {
	case d.Want == nil:
		return answer{}, r.writer().Remove(ctx, d.Got)
	case baseline.BelongsToNamespace(d.Want):
		return r.apply(ctx, p, d)
	case d.Got == nil:
		return r.create(ctx, p, d.Want)
	case d.Replaces():
		return r.replace(ctx, p, o)
	case baseline.KindOf(d.Want).Shared:
		return answered(r.writer().Amend(ctx, d.Want, d.Got))
	default:
		return answered(r.writer().Overwrite(ctx, d.Want, d.Got))
	}
}

// create makes an object, and returns what it is then.
func (r *NamespaceReconciler) create(ctx context.Context, p *posture.Pass, want baseline.Object) (made answer, _ error) {
	opened, err := r.withRoom(ctx, p, baseline.Reference(want), func() (err error) {
		made.object, err = r.writer().Create(ctx, want)
		return err
	})
	made.notices = opened
	return made, err
}

// apply sets our fields of an object that comes with the namespace. What the API server warns of a
// stricter Pod Security level is returned: it saves a look at the pods.
func (r *NamespaceReconciler) apply(ctx context.Context, p *posture.Pass, d drift.Drift) (made answer, _ error) {
	var uid types.UID
	var before map[string]string
	if d.Got != nil {
		uid, before = d.Got.GetUID(), d.Got.GetLabels()
	}
	_, ofNamespace := d.Want.(*corev1.Namespace)
	if ofNamespace { // What the profile of before declared and this one does not is as it was again.
		undeclared := takeover.Beyond(rememberedLabels(p), takeover.Remembered(d.Want.GetAnnotations()))
		if err := r.writer().GiveBack(ctx, p.Namespace, undeclared); err != nil {
			return answer{}, err
		}
	}
	var warnings []string
	opened, err := r.withRoom(ctx, p, d.Object, func() (err error) { // It makes a ServiceAccount that is missing.
		made.object, warnings, err = r.writer().Apply(ctx, d.Want, uid)
		return err
	})
	made.notices = opened
	if err == nil && ofNamespace && tightening.StricterLabels(d.Want.GetLabels(), before) {
		made.level = appliedLevel{tightened: true, warned: warnings}
	}
	return made, err
}

// isLabelled reports whether an object bears the label by which it is a profile's.
func isLabelled(o client.Object) bool { return baseline.IsLabelled(o) }
