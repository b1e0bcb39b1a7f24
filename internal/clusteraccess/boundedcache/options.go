package boundedcache

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// Options configure the manager's cache, and return the informers that know what it leaves out. The
// reports' memory may be nil: then every report is believed.
func Options(
	config *rest.Config, scheme *runtime.Scheme, live client.Reader, reports *reportmemory.Memory,
) (cache.Options, *Informers, error) {
	labelled, err := labels.NewRequirement(v1alpha1.ProfileLabel, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, nil, fmt.Errorf("selecting by label: %w", err)
	}
	selector := labels.NewSelector().Add(*labelled)
	informers, err := NewInformers(config, scheme, live, selector)
	if err != nil {
		return cache.Options{}, nil, err
	}
	interner := newInterner()
	trimLabels := func(ns *corev1.Namespace) { ns.Labels = informers.Labels.Trim(ns.Labels) }
	byObject := map[client.Object]cache.ByObject{
		&corev1.Namespace{}:          {Transform: then(stripNamespace, trimLabels)},
		&v1alpha1.NamespacePosture{}: {Transform: then(stripReport(reports), interner.internReport)},
		&v1alpha1.SecurityProfile{}:  {Transform: then(cache.TransformStripManagedFields(), informers.Note)},
	}
	for _, kind := range slices.Concat(baseline.NamespacedKinds, baseline.ClusterKinds) {
		transform := StripExclusive
		if kind.Shared {
			transform = stripShared
		}
		byObject[kind.New()] = cache.ByObject{Label: selector, Transform: then(transform, interner.intern)}
	}
	return cache.Options{
		ByObject:                    byObject,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		NewInformer:                 informers.New,
	}, informers, nil
}

// then transforms an object in two steps. The second is skipped for any other type, such as the
// tombstone of a deleted object.
func then[O any](first toolscache.TransformFunc, second func(O)) toolscache.TransformFunc {
	return func(in any) (any, error) {
		out, err := first(in)
		if o, ok := out.(O); ok && err == nil {
			second(o)
		}
		return out, err
	}
}
