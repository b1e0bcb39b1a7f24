package chaos

import (
	"slices"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// mallory is the field manager of the last tampering.
const mallory = "chaos-mallory"

// examine holds in the world at rest what the API server refuses; then it tampers with one object
// of each kind, and holds that each is corrected and recorded, once, with who did it.
func (w *world) examine(t *testing.T) {
	t.Helper()
	w.probeAll(t)
	for i := range baseline.NamespacedKinds {
		objects, err := w.enforced(&baseline.NamespacedKinds[i])
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
			// WhenSafe may hold an object back as an earlier tampering left it: the same tampering
			// changes nothing again.
			if object.GetResourceVersion() != before {
				w.awaitRecord(t, object)
				break
			}
		}
	}
	for i := range baseline.ClusterKinds {
		w.examinePolicies(t, &baseline.ClusterKinds[i])
	}
	w.awaitModel(t, time.Now())
}

// examinePolicies tampers with one policy or binding, of which there may be none.
func (w *world) examinePolicies(t *testing.T, kind *baseline.Kind) {
	t.Helper()
	objects, err := w.labelled(kind, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		object, profile := o.(client.Object), &v1alpha1.SecurityProfile{
			ObjectMeta: objectMeta("", o.GetLabels()[v1alpha1.ProfileLabel]),
		}
		if w.model.profiles[profile.Name] == nil {
			continue // A forgery.
		}
		if err := w.insist(
			func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(profile), profile) },
		); err != nil {
			t.Fatal(err)
		}
		err := w.insist(func() error {
			if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
			loosenPolicy(object)
			return w.admin.Update(w.ctx, object, client.FieldOwner(mallory))
		})
		if err != nil {
			t.Fatal(err)
		}
		w.awaitPolicyRecord(t, profile, baseline.Reference(o))
		return
	}
}

// awaitPolicyRecord waits until the tampering stands in the status, as one drift more. The clock
// may have been far ahead: then what is new does not count among the newest.
func (w *world) awaitPolicyRecord(t *testing.T, before *v1alpha1.SecurityProfile, ref v1alpha1.ObjectReference) {
	t.Helper()
	began := time.Now()
	for {
		var profile v1alpha1.SecurityProfile
		err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(before), &profile)
		more := profile.Status.PolicyDriftTotal - before.Status.PolicyDriftTotal
		told := len(profile.Status.Drift) == v1alpha1.MaxDrift ||
			slices.ContainsFunc(policyDrift(&profile), func(e v1alpha1.DriftEntry) bool {
				return e.Object == ref && e.Manager == mallory
			})
		if err == nil && more == 1 && told {
			return
		}
		if more > 1 || time.Since(began) > time.Minute {
			t.Fatalf("a tampering with %s %s is counted %d times: %v %+v", ref.Kind, ref.Name, more, err, policyDrift(&profile))
		}
		if err := pause(w.ctx, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// enforced are the objects of the kind that enforcing profiles govern.
func (w *world) enforced(kind *baseline.Kind) ([]client.Object, error) {
	var enforced []client.Object
	for name, tier := range w.model.namespaces {
		selecting := w.model.selecting(name, tier)
		if len(selecting) == 0 || !enforces(selecting[0]) {
			continue
		}
		if kind.Kind == "NetworkPolicy" && refusesPolicy(selecting[0], true) {
			continue // Nobody can loosen them, break-glass or not.
		}
		objects, err := w.labelled(kind, name)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			corrected, err := w.isCorrected(o)
			if err != nil {
				return nil, err
			}
			if corrected && !baseline.BelongsToNamespace(o) {
				enforced = append(enforced, o.(client.Object))
			}
		}
	}
	return enforced, nil
}

// isCorrected reports whether what somebody does to an object is undone: it is not if the object
// counts as another maker's, or binds a Role that does, since the API server may refuse that.
func (w *world) isCorrected(o baseline.Object) (bool, error) {
	binding, ok := o.(*rbacv1.RoleBinding)
	if !drift.Ours(o) || !ok || binding.RoleRef.Kind != "Role" {
		return drift.Ours(o), nil
	}
	role := &rbacv1.Role{ObjectMeta: objectMeta(binding.Namespace, binding.RoleRef.Name)}
	err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(role), role) })
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return drift.Ours(role), nil
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
				if entry.State == v1alpha1.DriftStateCorrected {
					corrected++
				}
			}
		}
		if err == nil && entries == 1 && corrected == 1 {
			return
		}
		if entries > 1 || time.Since(began) > time.Minute {
			t.Fatalf(
				"a tampering with %s is recorded %d times, %d of them corrected: %v %+v",
				key(object),
				entries,
				corrected,
				err,
				report.Drift,
			)
		}
		if err := pause(w.ctx, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}
