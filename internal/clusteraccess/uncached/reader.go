package uncached

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// MaxObjects is how many uncached objects of one kind are read in a reconcile that reads them in
// full: as many as it has time to delete. Any other reconcile reads one, which tells whether there
// are any.
const MaxObjects = 2000

// Reader reads from the API server what the caches lack.
type Reader struct {
	live      client.Reader
	desired   *boundedcache.Desired
	undesired *boundedcache.Undesired
	schedule  *schedule
}

// NewReader returns a Reader of what the informers do not cache.
func NewReader(live client.Reader, informers *boundedcache.Informers) *Reader {
	return &Reader{
		live: live, desired: informers.Desired, undesired: informers.Undesired, schedule: newSchedule(),
	}
}

// Forget drops a namespace that was deleted.
func (r *Reader) Forget(namespace string) { r.schedule.forget(namespace) }

// LacksContent reports whether an object must be read before it is compared. A cached object that
// lacks content because it is too large differs from the desired object in any case; its content
// matters only if the change may be deferred.
func (r *Reader) LacksContent(o baseline.Object, mayDefer bool) bool {
	bytes := baseline.LeftOut(o)
	limit, _ := r.desired.Limit(baseline.KindOf(o).Kind, o.GetName())
	return bytes > 0 && (bytes <= limit || mayDefer)
}

// ReadWhole reads the object with the kind and name of the given one. It returns nil if there is
// none.
func (r *Reader) ReadWhole(ctx context.Context, want baseline.Object) (baseline.Object, error) {
	got := baseline.KindOf(want).New()
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(want), got); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", baseline.Describe(want), err)
	}
	baseline.LeaveOut(got, 0)
	return got, nil
}

// Due returns how many uncached objects of each kind to read in a namespace now, and after which
// time to read more of them; zero is never.
func (r *Reader) Due(namespace string, now time.Time) (most int, next time.Duration) {
	count := 0
	for i := range baseline.NamespacedKinds {
		count += r.undesired.Uncached(baseline.NamespacedKinds[i].Kind, namespace)
	}
	due, next := r.schedule.due(namespace, count, now)
	if due {
		return MaxObjects, next
	}
	return 1, next
}

// Counts returns how many objects of each kind the cache lacks in a namespace, for kinds of which
// it lacks any.
func (r *Reader) Counts(namespace string) map[string]int {
	counts := map[string]int{}
	for i := range baseline.NamespacedKinds {
		kind := baseline.NamespacedKinds[i].Kind
		if n := r.undesired.Uncached(kind, namespace); n > 0 {
			counts[kind] = n
		}
	}
	return counts
}

// AddTo appends uncached objects to the cached ones of a namespace, up to the given number of each
// kind.
func (r *Reader) AddTo(
	ctx context.Context, cached []baseline.Object, namespace string, most int,
) ([]baseline.Object, error) {
	known := map[v1alpha1.ObjectReference]bool{}
	for _, o := range cached {
		known[baseline.Reference(o)] = true
	}
	for i := range baseline.NamespacedKinds {
		kind := &baseline.NamespacedKinds[i]
		if r.undesired.Uncached(kind.Kind, namespace) == 0 {
			continue
		}
		labelled, err := r.labelled(ctx, kind, namespace, most)
		if err != nil {
			return nil, err
		}
		for _, o := range labelled {
			if !known[baseline.Reference(o)] {
				cached = append(cached, o)
			}
		}
	}
	return cached, nil
}

// labelled reads the metadata of objects of a kind that bear Bulwark's label, cached or not.
func (r *Reader) labelled(
	ctx context.Context, kind *baseline.Kind, namespace string, most int,
) ([]baseline.Object, error) {
	var objects []baseline.Object
	newList := func() *metav1.PartialObjectMetadataList {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		return list
	}
	_, err := clusteraccess.EachPage(ctx, r.live, most, newList, func(list *metav1.PartialObjectMetadataList) {
		for i := range list.Items {
			objects = append(objects, withoutContent(kind, &list.Items[i]))
		}
	}, client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel})
	if err != nil {
		return nil, fmt.Errorf("listing %s that the cache does not hold: %w", kind.Resource, err)
	}
	return objects, nil
}

// withoutContent returns an object of which only the metadata is known.
func withoutContent(kind *baseline.Kind, from *metav1.PartialObjectMetadata) baseline.Object {
	o := kind.New()
	o.SetNamespace(from.Namespace)
	o.SetName(from.Name)
	o.SetUID(from.UID)
	o.SetResourceVersion(from.ResourceVersion)
	o.SetDeletionTimestamp(from.DeletionTimestamp)
	o.SetLabels(from.Labels)
	o.SetOwnerReferences(from.OwnerReferences)
	o.SetFinalizers(from.Finalizers)
	o.SetManagedFields(drift.Concerning(from.ManagedFields))
	boundedcache.StripMetadata(o)
	baseline.LeaveOut(o, 1) // The size of the content is not known.
	return o
}
