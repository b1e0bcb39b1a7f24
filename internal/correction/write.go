package correction

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/takeover"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// write is the correction of one drift while it is written.
type write struct {
	e *Engine
	s *Scope
	o *drift.Outcome
}

// answer is what the API server has made of a write.
type answer struct {
	// object is what is there now; nil if nothing is to exist.
	object baseline.Object
	// notices are what is to be told of the write.
	notices []events.Notice
	// level is the stricter Pod Security level that was put in place, if one was.
	level tightening.AppliedLevel
}

func answered(object baseline.Object, err error) (answer, error) { return answer{object: object}, err }

// correct makes the one write, or where an object is replaced the two, that end a drift.
func (w *write) correct(ctx context.Context) (answer, error) {
	if _, ok := w.o.Want.(*rbacv1.RoleBinding); ok {
		return w.bind(ctx)
	}
	return w.carryOut(ctx)
}

// carryOut makes the write, whatever it grants.
func (w *write) carryOut(ctx context.Context) (answer, error) {
	switch d := w.o.Drift; {
	case d.Want == nil:
		return answer{}, w.e.Writer.Remove(ctx, d.Got)
	case baseline.BelongsToNamespace(d.Want):
		return w.apply(ctx)
	case d.Got == nil:
		return w.create(ctx)
	case d.Replaces():
		return w.replace(ctx)
	case baseline.KindOf(d.Want).Shared:
		return answered(w.e.Writer.Amend(ctx, d.Want, d.Got))
	default:
		return answered(w.e.Writer.Overwrite(ctx, d.Want, d.Got))
	}
}

// create makes an object, and returns what it is then.
func (w *write) create(ctx context.Context) (made answer, _ error) {
	opened, err := w.withRoom(ctx, func() (err error) {
		made.object, err = w.e.Writer.Create(ctx, w.o.Want)
		return err
	})
	made.notices = opened
	return made, err
}

// apply sets our fields of an object that comes with the namespace. The API server's warnings of a
// stricter Pod Security level are returned: they save a look at the pods.
func (w *write) apply(ctx context.Context) (made answer, _ error) {
	d := w.o.Drift
	var uid types.UID
	var before map[string]string
	if d.Got != nil {
		uid, before = d.Got.GetUID(), d.Got.GetLabels()
	}
	_, ofNamespace := d.Want.(*corev1.Namespace)
	if ofNamespace && d.Got != nil { // What the profile of before declared and this one does not is as it was again.
		undeclared := takeover.Beyond(w.s.LabelsBefore, takeover.Remembered(d.Want.GetAnnotations()))
		if err := w.e.Writer.GiveBack(ctx, d.Got, undeclared); err != nil {
			return answer{}, err
		}
	}
	var warnings []string
	opened, err := w.withRoom(ctx, func() (err error) { // It makes a ServiceAccount that is missing.
		made.object, warnings, err = w.e.Writer.Apply(ctx, d.Want, uid)
		return err
	})
	made.notices = opened
	if err == nil && ofNamespace && tightening.StricterLabels(d.Want.GetLabels(), before) {
		made.level = tightening.AppliedLevel{Tightened: true, Warnings: warnings}
	}
	return made, err
}

// withRoom makes a write that the baseline's own quotas must not keep out.
func (w *write) withRoom(ctx context.Context, write func() error) ([]events.Notice, error) {
	if w.s.Namespace == "" {
		return nil, write() // No quota counts what is in no namespace.
	}
	return w.e.Room.Write(ctx, w.s.Namespace, w.s.Ours, w.o.Object, write)
}
