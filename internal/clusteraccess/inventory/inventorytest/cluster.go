// Package inventorytest makes clusters, or caches of them, for tests of the rooms that read
// profiles. It imports what package inventory may, and only tests import it.
package inventorytest

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Cluster is a cluster, or a cache of one, with some profiles and one namespace.
type Cluster struct {
	client.Client
	Profiles  []v1alpha1.SecurityProfile
	Namespace *corev1.Namespace
}

// Get reads the namespace or one of the profiles.
func (c *Cluster) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch o := into.(type) {
	case *corev1.Namespace:
		if c.Namespace != nil {
			*o = *c.Namespace
			return nil
		}
	case *v1alpha1.SecurityProfile:
		for i := range c.Profiles {
			if c.Profiles[i].Name == key.Name {
				*o = c.Profiles[i]
				return nil
			}
		}
	}
	return apierrors.NewNotFound(corev1.Resource("x"), key.Name)
}

// List lists the profiles.
func (c *Cluster) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*v1alpha1.SecurityProfileList).Items = c.Profiles
	return nil
}

// Profile selects namespaces by the label that bears its name.
func Profile(name string, changes ...func(*v1alpha1.SecurityProfile)) v1alpha1.SecurityProfile {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{name: "yes"}
	for _, change := range changes {
		change(&p)
	}
	return p
}
