package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// gather reads what the namespace holds of the desired objects, and whatever else in it bears our labels. The objects may be
// shared with the cache and must not be changed.
//
// The cache holds only what bears our labels. What it lacks is read from the API server where that can tell something: under
// an Audit profile, and where the last report speaks of the object, which then was stripped of its labels, deleted, or is
// another maker's. An object that was never there costs no read: creating it tells. One that may have to wait may not be created, and
// is read.
//
// The same goes for what is not desired: whoever strips an object of our labels must not keep by it what the object grants.
func (r *NamespaceReconciler) gather(
	ctx context.Context, p *posture.Pass, desired []baseline.Object,
) (found []baseline.Object, reread time.Duration, err error) {
	if found, err = r.desiredThere(ctx, p, desired); err != nil {
		return nil, 0, err
	}
	held := map[v1alpha1.ObjectReference]bool{}
	for _, o := range found {
		held[baseline.Reference(o)] = true
	}
	labelled, reread, err := r.labelledIn(ctx, p)
	if err != nil {
		return nil, 0, err
	}
	for _, o := range labelled {
		if ref := baseline.Reference(o); !held[ref] {
			found, held[ref] = append(found, o), true
		}
	}
	for _, want := range desired {
		held[baseline.Reference(want)] = true
	}
	stripped, err := r.strippedBefore(ctx, p, held)
	return append(found, stripped...), reread, err
}

// desiredThere is what the namespace holds of the desired objects.
func (r *NamespaceReconciler) desiredThere(ctx context.Context, p *posture.Pass, desired []baseline.Object) ([]baseline.Object, error) {
	found := []baseline.Object{p.Namespace}
	for _, want := range desired[1:] {
		_, known := p.Object(baseline.Reference(want))
		mayWait := p.Profile.WaitsUntilSafe() && baseline.CanRefuse(want)
		got, err := r.read(ctx, want, p.Audits() || known || mayWait)
		if err == nil && got != nil && r.uncached.LacksContent(got, mayWait) {
			got, err = r.uncached.ReadWhole(ctx, want)
		}
		if err != nil {
			return nil, err
		}
		if got != nil {
			found = append(found, got)
		}
	}
	return found, nil
}

// labelledIn is what bears our label in the namespace of a pass, also of what the cache does not
// hold unless the pass audits, and when to read more of that; zero is never.
func (r *NamespaceReconciler) labelledIn(
	ctx context.Context, p *posture.Pass,
) (labelled []baseline.Object, reread time.Duration, err error) {
	labelled, err = r.labelled(ctx, p.Namespace.Name)
	if err != nil || p.Audits() {
		return labelled, 0, err
	}
	most, reread := r.uncached.Due(p.Namespace.Name, r.Clock.Now())
	labelled, err = r.uncached.AddTo(ctx, labelled, p.Namespace.Name, most)
	return labelled, reread, err
}

// strippedBefore is what the last report says was in place and neither is desired nor bears our labels. An Audit profile takes nothing
// away.
func (r *NamespaceReconciler) strippedBefore(
	ctx context.Context, p *posture.Pass, held map[v1alpha1.ObjectReference]bool,
) ([]baseline.Object, error) {
	if p.Report() == nil || p.Audits() {
		return nil, nil
	}
	return r.stripped(ctx, p.Report(), held)
}

// stripped reads from the API server what was in place by a report and is not held.
func (r *NamespaceReconciler) stripped(
	ctx context.Context, report *v1alpha1.NamespacePosture, held map[v1alpha1.ObjectReference]bool,
) ([]baseline.Object, error) {
	var objects []baseline.Object
	for _, o := range posture.MemoryOf(report).InPlace() {
		if held[o.ObjectReference] {
			continue
		}
		named := baseline.Named(o.ObjectReference, report.Namespace)
		if named == nil {
			continue // Whoever can write a report must not have anything deleted by it.
		}
		got, err := r.read(ctx, named, true)
		if err != nil {
			return nil, err
		}
		if got == nil {
			continue
		}
		switch manages, err := r.hasPartIn(ctx, got); {
		case err != nil:
			return nil, err
		case manages:
			objects = append(objects, got)
		}
	}
	return objects, nil
}

// hasPartIn reports whether Bulwark has a part in an object: all of one that is its own, and of a
// shared one, which stays when that is taken away, the fields that it manages.
func (r *NamespaceReconciler) hasPartIn(ctx context.Context, o baseline.Object) (bool, error) {
	if !baseline.KindOf(o).Shared {
		return true, nil
	}
	managedFields := o.GetManagedFields()
	if managedFields == nil { // It was read from the cache, which does not hold them.
		var err error
		if managedFields, err = r.corrections.Writer.ManagedFields(ctx, o); err != nil {
			return false, client.IgnoreNotFound(err)
		}
	}
	return slices.ContainsFunc(managedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == v1alpha1.FieldManager && e.FieldsV1 != nil
	}), nil
}

// read is the object of the same kind and name, or nil: from the cache, and if that does not hold it, perhaps from the API server.
func (r *NamespaceReconciler) read(ctx context.Context, want baseline.Object, live bool) (baseline.Object, error) {
	got := baseline.KindOf(want).New()
	key := client.ObjectKeyFromObject(want)
	err := r.Client.Get(ctx, key, got, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) && live {
		err = r.Live.Get(ctx, key, got)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", describe(want), err)
	}
	return got, nil
}

// labelled lists the namespace's objects that bear our labels. It need not see our own last writes: each comes as an event,
// and so as another pass.
func (r *NamespaceReconciler) labelled(ctx context.Context, namespace string) ([]baseline.Object, error) {
	var objects []baseline.Object
	for i := range baseline.Kinds[1:] {
		items, err := listLabelled(ctx, r.Client, &baseline.Kinds[1:][i], namespace)
		if err != nil {
			return nil, err
		}
		objects = append(objects, items...)
	}
	return objects, nil
}

// listLabelled lists the objects of one kind that the cache holds of a namespace.
func listLabelled(ctx context.Context, cached client.Client, kind *baseline.Kind, namespace string) ([]baseline.Object, error) {
	list, err := newList(cached.Scheme(), kind)
	if err != nil {
		return nil, err
	}
	err = cached.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", kind.Resource, err)
	}
	return itemsOf(list)
}

func newList(scheme *runtime.Scheme, kind *baseline.Kind) (client.ObjectList, error) {
	list, err := scheme.New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return nil, fmt.Errorf("making a list of %s: %w", kind.Resource, err)
	}
	return list.(client.ObjectList), nil
}

func describe(o baseline.Object) string { return baseline.Describe(o) }

// itemsOf is what a list holds, in the order of names: a cache lists in another order each time, and what is told of the objects must be
// the same twice.
func itemsOf(list client.ObjectList) ([]baseline.Object, error) {
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	objects := make([]baseline.Object, 0, len(items))
	for _, item := range items {
		objects = append(objects, item.(baseline.Object))
	}
	slices.SortFunc(objects, func(a, b baseline.Object) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return objects, nil
}
