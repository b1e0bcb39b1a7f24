package chaos

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// mallory is the field manager of the last tampering.
const mallory = "chaos-mallory"

// examine tampers with one object of each kind in the world at rest, and holds that each is corrected and recorded, once, with who did it.
func (w *world) examine(t *testing.T) {
	t.Helper()
	for i := range baseline.Kinds[1:] {
		objects, err := w.enforced(&baseline.Kinds[1:][i])
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			before := object.GetResourceVersion()
			err := w.insist(func() error {
				if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(object), object); err != nil {
					return err
				}
				loosen(object)
				return w.admin.Update(w.ctx, object, client.FieldOwner(mallory))
			})
			if err != nil {
				t.Fatal(err)
			}
			// What WhenSafe holds back may be what a tampering left before it was declared: the same again changes nothing.
			if object.GetResourceVersion() != before {
				w.awaitRecord(t, object)
				break
			}
		}
	}
	w.awaitModel(t, time.Now())
}

// enforced are the objects of the kind that enforcing profiles govern.
func (w *world) enforced(kind *baseline.Kind) ([]client.Object, error) {
	var enforced []client.Object
	for name, tier := range w.model.namespaces {
		selecting := w.model.selecting(name, tier)
		if len(selecting) == 0 || selecting[0].EffectiveEnforcement() != v1alpha1.Enforce {
			continue
		}
		objects, err := w.labelled(kind, name)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if !baseline.BelongsToNamespace(o) {
				enforced = append(enforced, o.(client.Object))
			}
		}
	}
	return enforced, nil
}

// awaitRecord waits until the tampering stands in the report, as one entry that is corrected.
func (w *world) awaitRecord(t *testing.T, object client.Object) {
	t.Helper()
	ref := baseline.Reference(object)
	began := time.Now()
	for {
		var report v1alpha1.NamespacePosture
		err := w.admin.Get(w.ctx, client.ObjectKey{Namespace: object.GetNamespace(), Name: v1alpha1.PostureName}, &report)
		entries, corrected := 0, 0
		for _, entry := range report.Drift {
			if entry.Object == ref && entry.Manager == mallory {
				entries++
				if entry.State == v1alpha1.Corrected {
					corrected++
				}
			}
		}
		if err == nil && entries == 1 && corrected == 1 {
			return
		}
		if entries > 1 || time.Since(began) > time.Minute {
			t.Fatalf("a tampering with %s is recorded %d times, %d of them corrected: %v %+v", key(object), entries, corrected, err, report.Drift)
		}
		if err := pause(w.ctx, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}
