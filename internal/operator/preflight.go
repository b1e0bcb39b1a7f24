package operator

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// preflight is what must be known before anything is set up: that the API server knows our types,
// and who it takes the operator for.
func preflight(ctx context.Context, c client.Client) (identity, error) {
	if err := requireCRDs(c.RESTMapper()); err != nil {
		return identity{}, err
	}
	return whoAmI(ctx, c)
}

// requireCRDs is the fatal error, with its remedy, that the API server does not know our types.
func requireCRDs(mapper meta.RESTMapper) error {
	for _, kind := range []string{"SecurityProfile", "NamespacePosture"} {
		gvk := v1alpha1.GroupVersion.WithKind(kind)
		_, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if meta.IsNoMatchError(err) {
			return fmt.Errorf("the API server does not know the kind %s of %s: its CustomResourceDefinition is not installed. "+
				"Remedy: kubectl apply --server-side -k config/crd", kind, v1alpha1.GroupVersion)
		}
		if err != nil {
			return fmt.Errorf("asking the API server for the kind %s: %w", kind, err)
		}
	}
	return nil
}

// newPermissionCheck asks the API server whether the operator may do what it must. A watch that is
// forbidden would otherwise show only as a cache that never syncs.
func newPermissionCheck(c client.Client, namespace string, log logr.Logger) *selfCheck {
	return &selfCheck{
		of: "the operator's permissions",
		review: func(ctx context.Context) ([]string, error) {
			return missingPermissions(ctx, c, namespace)
		},
		refusal: func(missing []string) string {
			return "the operator may not: " + strings.Join(missing, "; ") +
				". Remedy: kubectl apply --server-side -k config/rbac"
		},
		log: log,
	}
}

func missingPermissions(ctx context.Context, c client.Client, namespace string) ([]string, error) {
	var missing []string
	for _, required := range append(requiredPermissions(), permissionOnKey(namespace)) {
		review := &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &required},
		}
		if err := c.Create(ctx, review); err != nil {
			return nil, fmt.Errorf("asking whether the operator may %s %s: %w", required.Verb, required.Resource, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, named(required))
		}
	}
	return missing, nil
}

// named is a permission as kubectl auth can-i takes it, for example update
// securityprofiles.security.bulwark.dev/status.
func named(p authorizationv1.ResourceAttributes) string {
	resource := strings.TrimSuffix(p.Resource+"."+p.Group, ".")
	if p.Subresource != "" {
		resource += "/" + p.Subresource
	}
	return p.Verb + " " + resource
}

// permissionOnKey is what the operator needs in its own namespace to seal its reports.
func permissionOnKey(namespace string) authorizationv1.ResourceAttributes {
	return authorizationv1.ResourceAttributes{
		Namespace: namespace,
		Resource:  "secrets",
		Name:      v1alpha1.SealSecret,
		Verb:      "get",
	}
}

// requiredPermissions are what the operator needs in every namespace. The markers in package
// controllers grant it.
func requiredPermissions() []authorizationv1.ResourceAttributes {
	var required []authorizationv1.ResourceAttributes
	add := func(group, resource string, verbs ...string) {
		for _, verb := range verbs {
			required = append(required, authorizationv1.ResourceAttributes{Group: group, Resource: resource, Verb: verb})
		}
	}
	add(v1alpha1.GroupVersion.Group, "securityprofiles", "get", "list", "watch", "patch")
	required = append(required, authorizationv1.ResourceAttributes{
		Group: v1alpha1.GroupVersion.Group, Resource: "securityprofiles", Subresource: "status", Verb: "update",
	})
	add(v1alpha1.GroupVersion.Group, "namespacepostures", "get", "list", "watch", "create", "update", "delete")
	add("", baseline.NamespaceKind.Resource, "get", "list", "watch", "patch")
	for _, kind := range baseline.NamespacedKinds {
		add(kind.Group, kind.Resource, "get", "list", "watch", "create", "update", "patch", "delete")
	}
	for _, kind := range baseline.ClusterKinds {
		add(kind.Group, kind.Resource, "get", "list", "watch", "create", "update", "patch", "delete")
	}
	add(rbacv1.GroupName, "clusterroles", "list", "watch")
	add("", "pods", "list")
	add("", "services", "get")
	for _, watched := range []struct{ group, resource string }{
		{"", "events"}, {"", "replicationcontrollers"}, {appsv1.GroupName, "replicasets"}, {appsv1.GroupName, "statefulsets"},
		{appsv1.GroupName, "daemonsets"}, {batchv1.GroupName, "jobs"},
		{admissionregistrationv1.GroupName, "validatingwebhookconfigurations"},
		{admissionregistrationv1.GroupName, "mutatingwebhookconfigurations"},
		{"apiregistration.k8s.io", "apiservices"}, {"apiextensions.k8s.io", "customresourcedefinitions"},
	} {
		add(watched.group, watched.resource, "list", "watch")
	}
	return append(
		required,
		authorizationv1.ResourceAttributes{Resource: "resourcequotas", Subresource: "status", Verb: "patch"},
	)
}
