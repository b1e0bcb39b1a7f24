package v1alpha1

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// The methods of this file give the values that hold where a field is not set. They need no API
// server, so that a profile read from a file means what it means in a cluster.

// EffectiveEnforcement is spec.enforcement, by default Enforce.
func (p *SecurityProfile) EffectiveEnforcement() Enforcement {
	if p.Spec.Enforcement == "" {
		return EnforcementEnforce
	}
	return p.Spec.Enforcement
}

// EffectiveDeletionPolicy is spec.deletionPolicy, by default Delete.
func (p *SecurityProfile) EffectiveDeletionPolicy() DeletionPolicy {
	if p.Spec.DeletionPolicy == "" {
		return DeletionPolicyDelete
	}
	return p.Spec.DeletionPolicy
}

// Adopts reports whether the profile takes over objects that Bulwark did not make.
func (p *SecurityProfile) Adopts() bool {
	return p.Spec.Adoption == AdoptionAdopt
}

// WaitsUntilSafe reports whether what would refuse running pods waits.
func (p *SecurityProfile) WaitsUntilSafe() bool {
	return p.Spec.Rollout == RolloutWhenSafe
}

// EffectiveContest is spec.contest, by default Correct.
func (p *SecurityProfile) EffectiveContest() Contest {
	if p.Spec.Contest == "" {
		return ContestCorrect
	}
	return p.Spec.Contest
}

// LooksFor reports whether a finding is looked for.
func (p *SecurityProfile) LooksFor(id FindingID) bool {
	f := p.Spec.Findings
	return f == nil || f.Mode != FindingsModeDisabled && !slices.Contains(f.Ignore, id)
}

// HasPodRules reports whether there is a rule for pods, and not for Services alone.
func (p *SecurityProfile) HasPodRules() bool {
	if w := p.Spec.Workloads; w != nil {
		rules := *w
		rules.Action, rules.AllowedServiceTypes = "", nil
		if !reflect.DeepEqual(rules, Workloads{}) {
			return true
		}
	}
	return p.Spec.Images != nil && p.Spec.Images.JudgesPods()
}

// AsLabelSelector is the selector in the form that k8s.io/apimachinery works with.
func (s *NamespaceSelector) AsLabelSelector() *metav1.LabelSelector {
	selector := &metav1.LabelSelector{MatchLabels: s.MatchLabels}
	for _, e := range s.MatchExpressions {
		selector.MatchExpressions = append(selector.MatchExpressions,
			metav1.LabelSelectorRequirement{Key: e.Key, Operator: e.Operator, Values: e.Values})
	}
	return selector
}

// EffectiveEnforceVersion is the version that enforce applies, by default latest.
func (p *PodSecurity) EffectiveEnforceVersion() PodSecurityVersion {
	return firstVersion(p.EnforceVersion, p.Version)
}

// EffectiveAuditVersion is the version that audit applies, by default latest.
func (p *PodSecurity) EffectiveAuditVersion() PodSecurityVersion {
	return firstVersion(p.AuditVersion, p.Version)
}

// EffectiveWarnVersion is the version that warn applies, by default latest.
func (p *PodSecurity) EffectiveWarnVersion() PodSecurityVersion {
	return firstVersion(p.WarnVersion, p.Version)
}

func firstVersion(versions ...PodSecurityVersion) PodSecurityVersion {
	for _, v := range versions {
		if v != "" {
			return v
		}
	}
	return "latest"
}

// EffectiveNamespaceSelector selects the namespaces of the DNS pods, by default kube-system.
func (a *AllowDNS) EffectiveNamespaceSelector() *metav1.LabelSelector {
	if a.NamespaceSelector != nil {
		return a.NamespaceSelector
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem}}
}

// EffectivePodSelector selects the DNS pods, by default k8s-app=kube-dns.
func (a *AllowDNS) EffectivePodSelector() *metav1.LabelSelector {
	if a.PodSelector != nil {
		return a.PodSelector
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}}
}

// EffectivePorts are the DNS ports, by default 53 over UDP and TCP.
func (a *AllowDNS) EffectivePorts() []networkingv1.NetworkPolicyPort {
	ports := a.Ports
	if len(ports) == 0 {
		ports = []DNSPort{{Protocol: corev1.ProtocolUDP, Port: 53}, {Protocol: corev1.ProtocolTCP, Port: 53}}
	}
	var effective []networkingv1.NetworkPolicyPort
	for _, p := range ports {
		protocol := p.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		effective = append(effective, policyPort(protocol, p.Port))
	}
	return effective
}

// EffectivePorts are the API server's TCP ports, by default 443.
func (a *AllowAPIServer) EffectivePorts() []networkingv1.NetworkPolicyPort {
	ports := a.Ports
	if len(ports) == 0 {
		ports = []int32{443}
	}
	var effective []networkingv1.NetworkPolicyPort
	for _, p := range ports {
		effective = append(effective, policyPort(corev1.ProtocolTCP, p))
	}
	return effective
}

func policyPort(protocol corev1.Protocol, port int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: ptr.To(intstr.FromInt32(port))}
}

// AsPolicyRule is the rule in the form that a Role holds.
func (r *PolicyRule) AsPolicyRule() rbacv1.PolicyRule {
	groups := r.APIGroups
	if len(groups) == 0 {
		groups = []string{corev1.GroupName}
	}
	return rbacv1.PolicyRule{APIGroups: groups, Resources: r.Resources, ResourceNames: r.ResourceNames, Verbs: r.Verbs}
}

// AsSubject is the subject in the form that a RoleBinding in the given namespace holds.
func (s *Subject) AsSubject(namespace string) rbacv1.Subject {
	subject := rbacv1.Subject{Kind: s.Kind, Name: s.Name, APIGroup: rbacv1.GroupName}
	if s.Kind == rbacv1.ServiceAccountKind {
		subject.APIGroup = corev1.GroupName
		subject.Namespace = s.Namespace
		if subject.Namespace == "" {
			subject.Namespace = namespace
		}
	}
	return subject
}

// EffectiveAutomount is automountServiceAccountToken, by default false.
func (s *ServiceAccount) EffectiveAutomount() bool {
	return ptr.Deref(s.AutomountServiceAccountToken, false)
}

// EffectiveAutomount is automountServiceAccountToken, by default false.
func (s *DefaultServiceAccount) EffectiveAutomount() bool {
	return ptr.Deref(s.AutomountServiceAccountToken, false)
}
