package inventory

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// ByProfile is the index of the cached NamespacePostures by the profile that governs their
// namespace.
const ByProfile = "profile"

// Report is the report of a namespace, or nil if there is none.
func Report(ctx context.Context, cached client.Reader, namespace string) (*v1alpha1.NamespacePosture, error) {
	var report v1alpha1.NamespacePosture
	key := client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}
	switch err := cached.Get(ctx, key, &report); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the report of namespace %s: %w", namespace, err)
	}
	return &report, nil
}

// ReportsOf are the reports of a profile by namespace. They are shared with the cache and must not
// be changed.
func ReportsOf(
	ctx context.Context, cached client.Reader, profile string,
) (map[string]*v1alpha1.NamespacePosture, error) {
	var list v1alpha1.NamespacePostureList
	err := cached.List(ctx, &list, client.MatchingFields{ByProfile: profile},
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing NamespacePostures of profile %s: %w", profile, err)
	}
	reports := make(map[string]*v1alpha1.NamespacePosture, len(list.Items))
	for i := range list.Items {
		reports[list.Items[i].Namespace] = &list.Items[i]
	}
	return reports, nil
}
