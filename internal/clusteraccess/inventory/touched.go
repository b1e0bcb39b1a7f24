package inventory

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Touched lists the namespaces that a profile selects or that bear its name: by label, by report
// or, if the profile is being deleted, by an object. If only the objects cannot be listed, it
// returns the other namespaces beside the error. They are shared with the cache and must not be
// changed.
func Touched(
	ctx context.Context, cached Cache, profile *v1alpha1.SecurityProfile, protected []string,
) ([]*corev1.Namespace, error) {
	selector := selection.New([]v1alpha1.SecurityProfile{*profile}, protected)
	cluster, err := ClusterOf(ctx, cached, profile.Name, selector)
	if err != nil {
		return nil, err
	}
	holding := map[string]bool{}
	if !profile.DeletionTimestamp.IsZero() {
		err = AddNamespaces(ctx, cached, profile.Name, holding)
	}
	var touched []*corev1.Namespace
	for i := range cluster.Namespaces {
		ns := &cluster.Namespaces[i]
		if cluster.Reports[ns.Name] != nil || holding[ns.Name] || ns.Labels[v1alpha1.ProfileLabel] == profile.Name ||
			selector.Governing(ns) != nil {
			touched = append(touched, ns)
		}
	}
	return touched, err
}

// Binding lists the profiles that bind a ClusterRole. They are shared with the cache and must not
// be changed.
func Binding(ctx context.Context, cached client.Reader, clusterRole string) ([]*v1alpha1.SecurityProfile, error) {
	var profiles v1alpha1.SecurityProfileList
	err := cached.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing SecurityProfiles: %w", err)
	}
	binds := func(b v1alpha1.RoleBinding) bool { return b.ClusterRole == clusterRole }
	var binding []*v1alpha1.SecurityProfile
	for i := range profiles.Items {
		if rbac := profiles.Items[i].Spec.RBAC; rbac != nil && slices.ContainsFunc(rbac.Bindings, binds) {
			binding = append(binding, &profiles.Items[i])
		}
	}
	return binding, nil
}
