package attack

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// everything is a profile with all protection that there is.
func everything() *v1alpha1.SecurityProfile {
	return fixture.Profile("fortress", func(p *v1alpha1.SecurityProfile) {
		p.Spec.Priority = 10 // Other profiles of this suite select everything.
		p.Spec.Network.TenantPolicies = v1alpha1.TenantPoliciesWithin
		p.Spec.Limits[0].Default = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
		}
		p.Spec.Quotas[0].Spec.Hard = corev1.ResourceList{
			corev1.ResourcePods: resource.MustParse("10"), corev1.ResourceLimitsCPU: resource.MustParse("4"),
		}
		p.Spec.Workloads = &v1alpha1.Workloads{
			ReadOnlyRootFilesystem: v1alpha1.RequirementRequire,
			RunAsNonRoot:           v1alpha1.RequirementRequire,
			DropAllCapabilities:    v1alpha1.RequirementRequire,
			RequireLimits:          []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory},
			HostPath: &v1alpha1.HostPath{
				Policy: v1alpha1.AllowancePolicyForbid,
			},
			HostPort:                     &v1alpha1.HostPort{Policy: v1alpha1.AllowancePolicyForbid},
			HostNetwork:                  v1alpha1.ProhibitionForbid,
			AutomountServiceAccountToken: v1alpha1.ProhibitionForbid,
			RequireProbes:                []v1alpha1.Probe{v1alpha1.ProbeLiveness},
			NodeName:                     v1alpha1.ProhibitionForbid,
			Tolerations:                  &v1alpha1.Tolerations{Policy: v1alpha1.AllowancePolicyForbid},
			PriorityClasses:              &v1alpha1.PriorityClasses{Policy: v1alpha1.AllowancePolicyForbid},
			AllowedServiceTypes:          []corev1.ServiceType{corev1.ServiceTypeClusterIP},
		}
		p.Spec.Images = &v1alpha1.Images{AllowedRegistries: []string{registry}, DenyTags: []string{"latest"}}
		p.Spec.Protection = &v1alpha1.Protection{
			ReadyGate:        v1alpha1.RequirementRequire,
			Tamper:           v1alpha1.ProhibitionForbid,
			BreakGlassGroups: []string{breakGlass},
		}
	})
}

// registry is where images may come from.
const registry = "registry.example.com"

// standing is the name of a pod of shop that was there before the attacks.
const standing = "standing"

// selected is a namespace that the profile governs.
func selected(name string) *corev1.Namespace { return fixture.Namespace(name, "fortress") }

// unselected is a namespace that no profile governs.
func unselected(name string) *corev1.Namespace { return fixture.Namespace(name, "none") }

// compliantPod is a pod that breaks no rule, but for changes.
func compliantPod(namespace, name string, changes ...func(*corev1.PodSpec)) *corev1.Pod {
	pod := fixture.RestrictedPod(namespace, name)
	pod.Spec.Containers[0].Image = registry + "/app:v1"
	pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = ptr.To(true)
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}},
	}
	for _, change := range changes {
		change(&pod.Spec)
	}
	return pod
}

// compliantTemplate is the template of such pods.
func compliantTemplate(changes ...func(*corev1.PodSpec)) corev1.PodTemplateSpec {
	pod := compliantPod("", "", changes...)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "tenants"}}, Spec: pod.Spec,
	}
}

// policy is a tenant's own NetworkPolicy.
func policy(name string, spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name}, Spec: spec}
}

// ingressFrom lets these peers in; without any, everybody.
func ingressFrom(peers ...networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicySpec {
	return networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: peers}},
	}
}

// egressTo lets pods reach these peers; without any, everybody.
func egressTo(peers ...networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicySpec {
	return networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{To: peers}},
	}
}

// blocks are peers by their addresses.
func blocks(cidrs ...string) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, cidr := range cidrs {
		peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}})
	}
	return peers
}

// namespaces is the peer of all pods of the namespaces that meet these requirements.
func namespaces(requirements ...metav1.LabelSelectorRequirement) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: requirements}}
}
