package chart

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/shipped"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

// profilesCRD is the name of the CRD of profiles.
const profilesCRD = "securityprofiles.security.bulwark.dev"

// cluster is an API server, and Helm as its administrator.
type cluster struct {
	*testbed.Cluster
}

// helm runs Helm on the cluster.
func (c cluster) helm(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	return helm(t, values, append(args, "--kubeconfig", c.Plane.Kubeconfig, "-n", namespace)...)
}

// mustHelm wants it to succeed.
func (c cluster) mustHelm(t *testing.T, values string, args ...string) string {
	t.Helper()
	out, err := c.helm(t, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// live is an object as the API server has it; nil if it has none.
func (c cluster) live(t *testing.T, gvk schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	switch err := c.Admin.Get(c.Context, client.ObjectKey{Namespace: namespace, Name: name}, o); {
	case errors.IsNotFound(err) || meta.IsNoMatchError(err):
		return nil
	case err != nil:
		t.Fatal(err)
	}
	return o
}

func (c cluster) crd(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	gvk := schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
	return c.live(t, gvk, "", profilesCRD)
}

// manifest are the objects of the release.
func (c cluster) manifest(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	return decoded(t, c.mustHelm(t, "", "get", "manifest", release))
}

// isAsRendered compares each object of the release with what is live: nothing may differ but what
// Helm writes beside the chart. That is what a GitOps tool would report for ever.
func (c cluster) isAsRendered(t *testing.T) {
	t.Helper()
	exempt := []string{
		"metadata.annotations.meta.helm.sh/release-name",
		"metadata.annotations.meta.helm.sh/release-namespace",
	}
	for _, o := range c.manifest(t) {
		live := c.live(t, o.GroupVersionKind(), o.GetNamespace(), o.GetName())
		if live == nil {
			t.Errorf("%s is not there", id(o))
			continue
		}
		if len(o.GetAnnotations()) == 0 {
			live = live.DeepCopy()
			unstructured.RemoveNestedField(live.Object, "metadata", "annotations")
		}
		for _, difference := range shipped.Unlike(o, live, exempt...) {
			t.Errorf("%s: %s", id(o), difference)
		}
		c.appliesWithoutADifference(t, o, live)
	}
}

// appliesWithoutADifference applies an object as a tool would that syncs it from git.
func (c cluster) appliesWithoutADifference(t *testing.T, o, live *unstructured.Unstructured) {
	t.Helper()
	applied := o.DeepCopy()
	err := c.Admin.Apply(c.Context, client.ApplyConfigurationFromUnstructured(applied),
		client.FieldOwner("gitops"), client.ForceOwnership, client.DryRunAll)
	if err != nil {
		t.Errorf("%s: %v", id(o), err)
		return
	}
	if applied.GetGeneration() != live.GetGeneration() {
		t.Errorf(
			"%s: an apply of the same would be generation %d, not %d",
			id(o),
			applied.GetGeneration(),
			live.GetGeneration(),
		)
	}
}

// versions are the resourceVersions of all objects of the release.
func (c cluster) versions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, o := range c.manifest(t) {
		if live := c.live(t, o.GroupVersionKind(), o.GetNamespace(), o.GetName()); live != nil {
			all[id(o)] = live.GetResourceVersion()
		}
	}
	return all
}
