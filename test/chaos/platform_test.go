package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// platformOperations are what the tools of a platform do to baselines without meaning harm.
var platformOperations = []operation{
	{"add metadata as a platform does", 8, (*world).addMetadata},
	{"copy a managed object", 3, (*world).copyManaged},
	{"take a namespace out of its selection for a moment", 4, (*world).unselectShortly},
	{"restore a namespace", 1, (*world).restoreNamespace},
}

const (
	// platformFinalizer is what a network plugin puts on what it programs nodes by.
	platformFinalizer = "platform.example.com/programmed"
	// shortAbsence is how long a namespace may be out of a selection without losing its baseline:
	// well below the removal delay of the suite's operator.
	shortAbsence = time.Second
	// restoring is how long a namespace may take to end before it is restored.
	restoring = 15 * time.Second
)

// pickManaged draws an object that bears our label and is not the ServiceAccount default.
func (w *world) pickManaged(r *rand.Rand) (baseline.Object, error) {
	name, found := pick(r, w.model.namespaces)
	first, n := r.IntN(len(baseline.NamespacedKinds)), r.IntN(1<<20)
	if !found {
		return nil, nil
	}
	for i := range baseline.NamespacedKinds {
		objects, err := w.labelled(&baseline.NamespacedKinds[(first+i)%len(baseline.NamespacedKinds)], name)
		if err != nil {
			return nil, err
		}
		objects = slices.DeleteFunc(objects, baseline.BelongsToNamespace)
		if len(objects) > 0 {
			return objects[n%len(objects)], nil
		}
	}
	return nil, nil
}

// addMetadata puts a finalizer, a label and an annotation on a managed object. As long as the
// object lives, they stay.
func (w *world) addMetadata(r *rand.Rand) (bool, error) {
	picked, err := w.pickManaged(r)
	if picked == nil || err != nil {
		return true, err
	}
	object := picked.(client.Object)
	skipped, err := w.tamper(object, func(o client.Object) {
		controllerutil.AddFinalizer(o, platformFinalizer)
		o.GetLabels()["platform.example.com/cost-centre"] = "42"
		o.SetAnnotations(map[string]string{"platform.example.com/seen": "yes"})
	})
	if err == nil && !skipped {
		w.model.decorated[object.GetUID()] = key(object)
	}
	return skipped, err
}

// checkDecorated holds that what a platform put on a managed object is there as long as the object
// is.
func (c *check) checkDecorated(ns string) {
	for _, o := range c.objects[ns] {
		_, decorated := c.w.model.decorated[o.GetUID()]
		if decorated && o.GetDeletionTimestamp().IsZero() && !slices.Contains(o.GetFinalizers(), platformFinalizer) {
			c.differ("%s has lost the finalizer of the platform", key(o.(client.Object)))
		}
	}
}

// copyManaged copies a managed object, labels and all, into a namespace, again and again for a
// while, as copiers do.
func (w *world) copyManaged(r *rand.Rand) (bool, error) {
	source, err := w.pickManaged(r)
	into, found := pick(r, w.model.namespaces)
	w.foreigners++
	if source == nil || !found || err != nil {
		return true, err
	}
	for range 6 {
		copied := source.DeepCopyObject().(client.Object)
		clearIdentity(copied)
		copied.SetNamespace(into)
		copied.SetName(fmt.Sprintf("copied-%d", w.foreigners))
		copied.SetOwnerReferences(nil)
		copied.SetFinalizers(nil)
		if _, err := w.create(copied, func() {}); err != nil {
			return false, err
		}
		if err := pause(w.ctx, 150*time.Millisecond); err != nil {
			return false, err
		}
	}
	return false, nil
}

// unselectShortly takes the label by which a namespace is selected away for a moment. Nothing may
// be torn down by that.
func (w *world) unselectShortly(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	away := time.Duration(50+r.IntN(350)) * time.Millisecond
	tier := w.model.namespaces[name]
	if !found || len(w.model.selecting(name, tier)) == 0 || len(w.model.selecting(name, "none")) > 0 {
		return true, nil
	}
	before, err := w.established(name, w.model.selecting(name, tier)[0])
	if err != nil {
		return true, err
	}
	ns := namespace(name, "")
	began := time.Now()
	if err := w.update(ns, func() { ns.Labels[tierLabel] = "none" }); err != nil {
		return false, err
	}
	if err := pause(w.ctx, away); err != nil {
		return false, err
	}
	if err := w.update(ns, func() { ns.Labels[tierLabel] = tier }); err != nil {
		return false, err
	}
	if before == nil || time.Since(began) > shortAbsence {
		return false, nil
	}
	after := &corev1.ServiceAccount{}
	err = w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(before), after) })
	if err != nil || after.UID != before.UID {
		return false, fmt.Errorf(
			"ServiceAccount %s of namespace %s did not outlive an absence of %v: %w",
			before.Name,
			name,
			away,
			err,
		)
	}
	return false, nil
}

// established is a ServiceAccount that the namespace's report says to be in place by the profile as
// it is declared now; nil if none is.
func (w *world) established(namespace string, profile *v1alpha1.SecurityProfile) (*corev1.ServiceAccount, error) {
	account := &corev1.ServiceAccount{ObjectMeta: objectMeta(namespace, v1alpha1.NamePrefix+"app")}
	live := &v1alpha1.SecurityProfile{ObjectMeta: objectMeta("", profile.Name)}
	report := &v1alpha1.NamespacePosture{ObjectMeta: objectMeta(namespace, v1alpha1.PostureName)}
	for _, o := range []client.Object{live, report, account} {
		err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(o), o) })
		if err != nil {
			return nil, client.IgnoreNotFound(err)
		}
	}
	inPlace := slices.ContainsFunc(report.Objects, func(o v1alpha1.ManagedObject) bool {
		return o.ObjectReference == baseline.Reference(account) && o.State == v1alpha1.ObjectStateCompliant
	})
	declared := slices.ContainsFunc(baseline.Render(profile, namespace), func(o baseline.Object) bool {
		return baseline.Reference(o) == baseline.Reference(account)
	})
	current := report.Profile == live.Name && report.ProfileGeneration == live.Generation &&
		report.Enforcement == v1alpha1.EnforcementEnforce
	if !inPlace || !declared || !current || account.Labels[v1alpha1.ProfileLabel] != live.Name {
		return nil, nil
	}
	return account, nil
}

// restoreNamespace deletes a namespace and makes it again as it was saved, with what was ours in
// it, as backup tools do.
func (w *world) restoreNamespace(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	if !found {
		return true, nil
	}
	tier, ns := w.model.namespaces[name], namespace(name, "")
	if err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(ns), ns) }); err != nil {
		return true, client.IgnoreNotFound(err)
	}
	saved, err := w.saved(name)
	if err != nil {
		return true, err
	}
	w.forgetNamespace(name)
	if err := w.endNamespace(name); err != nil {
		return false, err
	}
	if gone, err := w.awaitGone(name); err != nil || !gone {
		return false, err
	}
	clearIdentity(ns)
	ns.Spec.Finalizers = nil
	if skipped, err := w.create(ns, func() {}); err != nil || skipped {
		return false, err
	}
	w.model.namespaces[name] = tier
	w.model.labelled(ns.UID, tier)
	for _, o := range saved {
		clearIdentity(o)
		if _, err := w.create(o, func() {}); err != nil {
			return false, err
		}
	}
	return false, nil
}

// saved is what bears our label in a namespace, and its report.
func (w *world) saved(name string) ([]client.Object, error) {
	var saved []client.Object
	for i := range baseline.NamespacedKinds {
		objects, err := w.labelled(&baseline.NamespacedKinds[i], name)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			saved = append(saved, o.(client.Object))
		}
	}
	report := &v1alpha1.NamespacePosture{ObjectMeta: objectMeta(name, v1alpha1.PostureName)}
	err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKeyFromObject(report), report) })
	if apierrors.IsNotFound(err) {
		return saved, nil
	}
	return append(saved, report), err
}

// awaitGone waits until a namespace has ended, and reports whether it has.
func (w *world) awaitGone(name string) (bool, error) {
	until := time.Now().Add(restoring)
	for time.Now().Before(until) {
		err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}) })
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if err := pause(w.ctx, 200*time.Millisecond); err != nil {
			return false, err
		}
	}
	return false, nil
}

// clearIdentity takes off an object what the API server gives to each anew.
func clearIdentity(o client.Object) {
	o.SetUID(types.UID(""))
	o.SetResourceVersion("")
	o.SetGeneration(0)
	o.SetCreationTimestamp(metav1.Time{})
	o.SetDeletionTimestamp(nil)
	o.SetManagedFields(nil)
	o.SetSelfLink("")
}
