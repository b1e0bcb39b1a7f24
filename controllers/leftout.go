package controllers

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
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

const (
	// maxCrowd is how many objects of a kind are read at a pass where the cache does not hold all
	// that bear our label, page by page: as many as a pass has time to remove. Between two such
	// passes one is read, since it matters whether there is any.
	maxCrowd = 2000
)

// lacksContent reports whether the cache left out content of an object that must be compared. What
// is too large to be what is desired differs from it, whatever it holds; only where it may have to
// wait it is to be known what it is.
func (r *NamespaceReconciler) lacksContent(o baseline.Object, mayWait bool) bool {
	bytes := baseline.LeftOut(o)
	limit, _ := r.desired.Limit(baseline.KindOf(o).Kind, o.GetName())
	return bytes > 0 && (bytes <= limit || mayWait)
}

// readWhole is the object of the same kind and name as the API server holds it, or nil.
func (r *NamespaceReconciler) readWhole(ctx context.Context, want baseline.Object) (baseline.Object, error) {
	got := baseline.KindOf(want).New()
	switch err := r.Live.Get(ctx, client.ObjectKeyFromObject(want), got); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", describe(want), err)
	}
	baseline.LeaveOut(got, 0)
	return got, nil
}

// crowdNow is how many objects of a kind are read of what the cache does not hold, and when to look
// at further ones; zero is never.
func (r *NamespaceReconciler) crowdNow(namespace string) (most int, next time.Duration) {
	beyond := 0
	for i := range baseline.Kinds[1:] {
		beyond += r.unmanaged.Beyond(baseline.Kinds[1:][i].Kind, namespace)
	}
	due, next := r.crowds.Due(namespace, beyond, r.Clock.Now())
	if due {
		return maxCrowd, next
	}
	return 1, next
}

// withCrowd adds to the labelled objects of a namespace those of each kind of which the cache does
// not hold all, up to a bound.
func (r *NamespaceReconciler) withCrowd(
	ctx context.Context, namespace string, labelled []baseline.Object, most int,
) ([]baseline.Object, error) {
	held := map[v1alpha1.ObjectReference]bool{}
	for _, o := range labelled {
		held[baseline.Reference(o)] = true
	}
	for i := range baseline.Kinds[1:] {
		kind := &baseline.Kinds[1:][i]
		if r.unmanaged.Beyond(kind.Kind, namespace) == 0 {
			continue
		}
		crowd, err := r.crowd(ctx, kind, namespace, most)
		if err != nil {
			return nil, err
		}
		for _, o := range crowd {
			if !held[baseline.Reference(o)] {
				labelled = append(labelled, o)
			}
		}
	}
	return labelled, nil
}

// crowd reads the metadata of the objects of a kind that bear our label, up to a bound.
func (r *NamespaceReconciler) crowd(
	ctx context.Context, kind *baseline.Kind, namespace string, most int,
) ([]baseline.Object, error) {
	var objects []baseline.Object
	newList := func() *metav1.PartialObjectMetadataList {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		return list
	}
	_, err := clusteraccess.EachPage(ctx, r.Live, most, newList, func(list *metav1.PartialObjectMetadataList) {
		for i := range list.Items {
			objects = append(objects, withoutContent(kind, &list.Items[i]))
		}
	}, client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel})
	if err != nil {
		return nil, fmt.Errorf("listing %s that the cache does not hold: %w", kind.Resource, err)
	}
	return objects, nil
}

// withoutContent is an object of which the metadata alone is known.
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
	stripMetadata(o)
	baseline.LeaveOut(o, 1) // How much it is, is not known.
	return o
}

// largePolicies are those of a namespace's NetworkPolicies that do not bear our label and are
// large.
func largePolicies(all map[string]policyFacts) []findings.Large {
	var large []findings.Large
	for name, facts := range all {
		if facts.bytes > 0 {
			large = append(large, findings.Large{Object: findings.Reference("NetworkPolicy", name), Bytes: facts.bytes})
		}
	}
	return large
}

// addBounded adds to the facts what bears our label, is in place after the pass, and is not held
// for its size or number.
func (r *NamespaceReconciler) addBounded(p *pass, outcomes []drift.Outcome, facts *findings.Facts) {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Got == nil || o.Done {
			continue
		}
		if bytes := baseline.LeftOut(o.Got); bytes > findings.MaxBytes {
			facts.Large = append(facts.Large, findings.Large{Object: o.Object, Bytes: bytes})
		}
	}
	facts.Crowds = map[string]int{}
	for i := range baseline.Kinds[1:] {
		kind := baseline.Kinds[1:][i].Kind
		if n := r.unmanaged.Beyond(kind, p.namespace.Name); n > 0 {
			facts.Crowds[kind] = n
		}
	}
}
