package posturetest

import (
	"fmt"
	"os"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// ProfileLabel is the label by which the profiles of this package select namespaces. Its value is
// the profile's name.
const ProfileLabel = "posturetest/profile"

// FromFile reads a profile from a file of YAML, such as the one that is deployed.
func FromFile(path string) (*v1alpha1.SecurityProfile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	profile := &v1alpha1.SecurityProfile{}
	if err := yaml.UnmarshalStrict(data, profile); err != nil {
		return nil, fmt.Errorf("reading the SecurityProfile in %s: %w", path, err)
	}
	return profile, nil
}

// Baseline is a profile that keeps out what is known to be dangerous, and closes nothing that an
// application needs: the baseline level of Pod Security, no ingress from other namespaces, and no
// token for whoever did not ask for one.
func Baseline(name string) *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.SecurityProfileSpec{
			NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]string{ProfileLabel: name}},
			PodSecurity:       &v1alpha1.PodSecurity{Enforce: "baseline", Audit: "restricted", Warn: "restricted"},
			Network: &v1alpha1.Network{
				DefaultDeny:        []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
				AllowSameNamespace: &v1alpha1.AllowSameNamespace{},
			},
			RBAC: &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}},
		},
	}
}

// Restricted is a profile for applications that are written to be confined: the restricted level of
// Pod Security, read-only root file systems, a network that is closed but for DNS and the namespace
// itself, and no token for whoever did not ask for one.
func Restricted(name string) *v1alpha1.SecurityProfile {
	profile := Baseline(name)
	profile.Spec.PodSecurity = &v1alpha1.PodSecurity{Enforce: "restricted", Audit: "restricted", Warn: "restricted"}
	profile.Spec.Network.DefaultDeny = append(profile.Spec.Network.DefaultDeny, networkingv1.PolicyTypeEgress)
	profile.Spec.Network.AllowDNS = &v1alpha1.AllowDNS{}
	profile.Spec.Workloads = &v1alpha1.Workloads{ReadOnlyRootFilesystem: v1alpha1.RequirementRequire}
	return profile
}
