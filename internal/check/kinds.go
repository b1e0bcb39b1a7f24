package check

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubernetes "k8s.io/client-go/kubernetes/scheme"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/profiles"
)

// kubernetesMinor is the minor version of Kubernetes 1 whose API is known.
const kubernetesMinor = 37

// kinds are the kinds of Kubernetes' own API, and of Bulwark's. Of other groups only a cluster
// knows what there is.
type kinds struct{ scheme *kruntime.Scheme }

// newKinds are made once: nothing changes them.
var newKinds = sync.OnceValue(func() kinds {
	scheme := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{
		kubernetes.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err) // Kubernetes' own types are registered once.
		}
	}
	return kinds{scheme}
})

// clusterScoped are the kinds that are in no namespace.
var clusterScoped = map[string]bool{
	"CertificateSigningRequest": true, "ClusterRole": true, "ClusterRoleBinding": true, "ClusterTrustBundle": true,
	"ComponentStatus": true, "CSIDriver": true, "CSINode": true, "CustomResourceDefinition": true, "DeviceClass": true,
	"DeviceTaintRule": true, "FlowSchema": true, "ImageReview": true, "IngressClass": true, "IPAddress": true,
	"MutatingAdmissionPolicy": true, "MutatingAdmissionPolicyBinding": true, "MutatingWebhookConfiguration": true,
	"Namespace": true, "Node": true, "PersistentVolume": true, "PriorityClass": true, "PriorityLevelConfiguration": true,
	"ResourcePoolStatusRequest": true, "ResourceSlice": true, "RuntimeClass": true, "SecurityProfile": true,
	"SelfSubjectAccessReview": true, "SelfSubjectReview": true, "SelfSubjectRulesReview": true, "ServiceCIDR": true,
	"StorageClass": true, "StorageVersion": true, "StorageVersionMigration": true, "SubjectAccessReview": true,
	"TokenReview": true, "ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
	"ValidatingWebhookConfiguration": true, "VolumeAttachment": true, "VolumeAttributesClass": true,
}

// make makes an empty object of a kind; nil if no kind of that name and version is served.
func (k *kinds) make(gvk schema.GroupVersionKind) kruntime.Object {
	object, err := k.scheme.New(gvk)
	if err != nil || removed(object) {
		return nil
	}
	return object
}

// removed reports whether Kubernetes no longer serves a version of a kind, as the API server itself
// tells it.
func removed(object kruntime.Object) bool {
	ended, ends := object.(interface {
		APILifecycleRemoved() (major, minor int)
	})
	if !ends {
		return false
	}
	major, minor := ended.APILifecycleRemoved()
	return major < 1 || major == 1 && minor <= kubernetesMinor
}

// unmatched is what kubectl says of a kind that there is not in a group that is known; empty of all
// others.
func (k *kinds) unmatched(gvk schema.GroupVersionKind) string {
	known := k.scheme.IsGroupRegistered(gvk.Group) || gvk.Group == aggregation.Group
	if !known || gvk == aggregation || k.make(gvk) != nil {
		return ""
	}
	words := fmt.Sprintf("no matches for kind %q in version %q", gvk.Kind, gvk.GroupVersion())
	if others := k.versionsOf(gvk.Kind); len(others) > 0 {
		words += ": it is in " + strings.Join(others, ", ")
	}
	return words
}

// aggregation is the one kind of Kubernetes of which no type is at hand.
var aggregation = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}

// versionsOf are the versions that have a kind of that name: the stable ones, if there are some.
func (k *kinds) versionsOf(kind string) []string {
	var stable, others []string
	for gvk := range k.scheme.AllKnownTypes() {
		switch {
		case gvk.Kind != kind || gvk.Version == kruntime.APIVersionInternal || k.make(gvk) == nil:
		case strings.Contains(gvk.Version, "alpha") || strings.Contains(gvk.Version, "beta"):
			others = append(others, gvk.GroupVersion().String())
		default:
			stable = append(stable, gvk.GroupVersion().String())
		}
	}
	if len(stable) == 0 {
		stable = others
	}
	slices.Sort(stable)
	return stable
}

// Unmatched is the error of each document whose kind the API server does not have, at its place.
// Kinds of groups that are not Kubernetes' own are no errors: only a cluster knows them.
func Unmatched(documents []*manifests.Document) []error {
	k := newKinds()
	var errs []error
	for _, d := range documents {
		if err := k.mismatch(d); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (k *kinds) mismatch(d *manifests.Document) error {
	version, err := schema.ParseGroupVersion(d.Object.GetAPIVersion())
	words, step := k.unmatched(version.WithKind(d.Object.GetKind())), "kind"
	switch {
	case err != nil:
		words, step = err.Error(), "apiVersion"
	case words == "" || profiles.Is(d.Object): // Those are read by their own schema.
		return nil
	case len(k.versionsOf(d.Object.GetKind())) > 0:
		step = "apiVersion"
	}
	place := d.Positions().Of(step)
	return &manifests.ReadError{File: d.File, Line: place.Line, Column: place.Column, Message: words}
}
