package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	reportsResource = "reports"
	// remedy grants the permissions that the operator lacks.
	remedy = "kubectl apply --server-side -k config/openreports"
)

// reportVerbs are the verbs that the operator needs on Reports. It deletes none; but if the API
// server guards owner references (OwnerReferencesPermissionEnforcement), only a user who may delete
// an object may set them on it.
var reportVerbs = []string{"get", "list", "watch", "create", "update", "delete"}

// obstacle checks what stands in the way of writing Reports: as a condition, or nil if nothing
// does.
func (p *Publication) obstacle(ctx context.Context) (*metav1.Condition, error) {
	version := reportsv1alpha1.SchemeGroupVersion.String()
	known, err := p.Discovery.ServerResourcesForGroupVersionWithContext(ctx, version)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("asking the API server for %s: %w", version, err)
	}
	isReports := func(r metav1.APIResource) bool { return r.Name == reportsResource }
	if err != nil || !slices.ContainsFunc(known.APIResources, isReports) {
		return p.obstacleOf(v1alpha1.ReasonNotInstalled, "the API server does not know the Reports of "+version+
			": install the CustomResourceDefinition of OpenReports"), nil
	}
	var missing []string
	for _, verb := range reportVerbs {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: reportsv1alpha1.GroupName, Resource: reportsResource, Verb: verb,
			},
		}}
		if err := p.Client.Create(ctx, review); err != nil {
			return nil, fmt.Errorf("asking whether the operator may %s %s: %w", verb, reportsResource, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, verb)
		}
	}
	if len(missing) > 0 {
		return p.obstacleOf(v1alpha1.ReasonForbidden, fmt.Sprintf("the operator may not %s %s.%s. Remedy: %s",
			strings.Join(missing, ", "), reportsResource, reportsv1alpha1.GroupName, remedy)), nil
	}
	return nil, nil
}

// obstacleOf is the condition that says of an obstacle.
func (p *Publication) obstacleOf(reason, message string) *metav1.Condition {
	return &metav1.Condition{
		Status: metav1.ConditionFalse, Reason: reason,
		Message: message + fmt.Sprintf("; the operator looks again every %s", p.Recheck),
	}
}
