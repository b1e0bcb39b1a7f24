package inventory

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/uncached"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// Objects finds the objects of a namespace that are Bulwark's. They may be shared with the cache
// and must not be changed.
type Objects struct {
	// Cached holds what bears a profile's label.
	Cached Cache
	// Live reads from the API server, for what the cache does not hold.
	Live client.Reader
	// Uncached reads what bears a profile's label and is left out of the cache.
	Uncached *uncached.Reader
}

// Labelled lists the cached objects of a namespace that bear a profile's label.
func (i *Objects) Labelled(ctx context.Context, namespace string) ([]baseline.Object, error) {
	var objects []baseline.Object
	for k := range baseline.NamespacedKinds {
		items, err := LabelledIn(ctx, i.Cached, &baseline.NamespacedKinds[k], namespace)
		if err != nil {
			return nil, err
		}
		objects = append(objects, items...)
	}
	return objects, nil
}

// AllLabelled lists the objects of a namespace that bear a profile's label, cached or not.
func (i *Objects) AllLabelled(ctx context.Context, namespace string) ([]baseline.Object, error) {
	labelled, err := i.Labelled(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return i.Uncached.AddTo(ctx, labelled, namespace, uncached.MaxObjects)
}

// DueLabelled is AllLabelled for a reconcile that reads uncached objects as often as their number
// allows. It returns when to read more of them; zero is never.
func (i *Objects) DueLabelled(
	ctx context.Context, namespace string, now time.Time,
) (labelled []baseline.Object, reread time.Duration, err error) {
	if labelled, err = i.Labelled(ctx, namespace); err != nil {
		return nil, 0, err
	}
	most, reread := i.Uncached.Due(namespace, now)
	labelled, err = i.Uncached.AddTo(ctx, labelled, namespace, most)
	return labelled, reread, err
}

// Unlabelled reads the objects that were in place by a report and are not among the known ones.
func (i *Objects) Unlabelled(
	ctx context.Context, report *v1alpha1.NamespacePosture, known map[v1alpha1.ObjectReference]bool,
) ([]baseline.Object, error) {
	var objects []baseline.Object
	for _, o := range posture.MemoryOf(report).InPlace() {
		if known[o.ObjectReference] {
			continue
		}
		named := baseline.Named(o.ObjectReference, report.Namespace)
		if named == nil {
			continue // Whoever can write a report must not have anything deleted by it.
		}
		got, err := i.Read(ctx, named, true)
		if err != nil {
			return nil, err
		}
		if got == nil {
			continue
		}
		switch manages, err := i.hasPartIn(ctx, got); {
		case err != nil:
			return nil, err
		case manages:
			objects = append(objects, got)
		}
	}
	return objects, nil
}

// hasPartIn reports whether Bulwark has a part in an object:
//
//  1. an object that is Bulwark's alone is its own as a whole,
//  2. of a shared object, which stays when Bulwark's part is removed, it has the fields that it
//     manages.
func (i *Objects) hasPartIn(ctx context.Context, o baseline.Object) (bool, error) {
	if !baseline.KindOf(o).Shared {
		return true, nil
	}
	managedFields := o.GetManagedFields()
	if managedFields == nil { // The object was read from the cache, which does not hold them.
		var err error
		if managedFields, err = ManagedFields(ctx, i.Live, o); err != nil {
			return false, client.IgnoreNotFound(err)
		}
	}
	return slices.ContainsFunc(managedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == v1alpha1.FieldManager && e.FieldsV1 != nil
	}), nil
}

// Read returns the object with the kind and name of the given one, or nil if there is none. It
// reads from the cache and, if live is set and the cache does not hold the object, from the API
// server.
func (i *Objects) Read(ctx context.Context, want baseline.Object, live bool) (baseline.Object, error) {
	got := baseline.KindOf(want).New()
	key := client.ObjectKeyFromObject(want)
	err := i.Cached.Get(ctx, key, got, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) && live {
		err = i.Live.Get(ctx, key, got)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", baseline.Describe(want), err)
	}
	return got, nil
}

// ManagedFields reads who manages which field of an object, which the cache does not hold.
func ManagedFields(ctx context.Context, live client.Reader, o baseline.Object) ([]metav1.ManagedFieldsEntry, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(baseline.KindOf(o).GroupVersionKind)
	if err := live.Get(ctx, client.ObjectKeyFromObject(o), object); err != nil {
		return nil, fmt.Errorf("reading who manages the fields of %s: %w", baseline.Describe(o), err)
	}
	return object.ManagedFields, nil
}
