// Package v1alpha1 is the API of Bulwark: SecurityProfile, which declares the security baseline of
// the namespaces that it selects, and NamespacePosture, which reports on one namespace.
//
// +kubebuilder:object:generate=true
// +groupName=security.bulwark.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "security.bulwark.dev", Version: "v1alpha1"}

// AddToScheme registers the types of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&SecurityProfile{}, &SecurityProfileList{},
		&NamespacePosture{}, &NamespacePostureList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
