package operator

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mayBind asks the API server whether the operator may bind a ClusterRole by its name, in a
// namespace or in all: what it asks itself before it looks at what the ClusterRole permits.
func mayBind(c client.Client) func(ctx context.Context, namespace, clusterRole string) (bool, error) {
	return func(ctx context.Context, namespace, clusterRole string) (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Group: rbacv1.GroupName, Resource: "clusterroles", Name: clusterRole, Verb: "bind",
			},
		}}
		if err := c.Create(ctx, review); err != nil {
			return false, fmt.Errorf("asking whether the operator may bind ClusterRole %s: %w", clusterRole, err)
		}
		return review.Status.Allowed, nil
	}
}
