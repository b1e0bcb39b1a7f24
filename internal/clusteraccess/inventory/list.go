package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Cache is read for what bears a profile's label: it holds all of that.
type Cache interface {
	client.Reader
	Scheme() *runtime.Scheme
}

// List lists the cached objects of one kind in the order of their names. They are shared with the
// cache and must not be changed.
func List(
	ctx context.Context, cached Cache, kind *baseline.Kind, options ...client.ListOption,
) ([]baseline.Object, error) {
	list, err := NewList(cached.Scheme(), kind)
	if err != nil {
		return nil, err
	}
	if err := cached.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, fmt.Errorf("listing %s: %w", kind.Resource, err)
	}
	return Items(list)
}

// LabelledIn lists the cached objects of one kind in a namespace. It does not wait for Bulwark's
// own last writes: each comes as an event, and so leads to another reconcile.
func LabelledIn(ctx context.Context, cached Cache, kind *baseline.Kind, namespace string) ([]baseline.Object, error) {
	return List(ctx, cached, kind, client.InNamespace(namespace), client.DisableReadYourWritesConsistency)
}

// NewList makes an empty list of a kind.
func NewList(scheme *runtime.Scheme, kind *baseline.Kind) (client.ObjectList, error) {
	list, err := scheme.New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return nil, fmt.Errorf("making a list of %s: %w", kind.Resource, err)
	}
	return list.(client.ObjectList), nil
}

// Items returns the objects of a list in the order of their names. A cache lists in another order
// each time, and two events on the same objects must be equal.
func Items(list client.ObjectList) ([]baseline.Object, error) {
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

// AddNamespaces adds the namespaces in which any object bears the label of a profile. If another
// profile governs such a namespace, neither its label nor its report tells that.
func AddNamespaces(ctx context.Context, cached Cache, profile string, namespaces map[string]bool) error {
	for i := range baseline.NamespacedKinds {
		items, err := List(ctx, cached, &baseline.NamespacedKinds[i],
			client.MatchingLabels{v1alpha1.ProfileLabel: profile}, client.DisableReadYourWritesConsistency)
		if err != nil {
			return err
		}
		for _, o := range items {
			namespaces[o.GetNamespace()] = true
		}
	}
	return nil
}
