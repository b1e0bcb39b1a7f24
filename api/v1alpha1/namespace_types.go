package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodSecurityLevel is a level of the Pod Security Standards.
//
// +kubebuilder:validation:Enum=privileged;baseline;restricted
type PodSecurityLevel string

// PodSecurityVersion is the Kubernetes minor version whose Pod Security Standards apply, or latest.
//
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^(latest|v1\.(0|[1-9][0-9]{0,2}))$`
type PodSecurityVersion string

// PodSecurity sets the labels of Pod Security Admission (KEP-2579). A mode that is absent is not
// managed.
//
// +kubebuilder:validation:XValidation:rule="has(self.enforce) || has(self.audit) || has(self.warn)",message="podSecurity must set at least one of enforce, audit and warn"
// +kubebuilder:validation:XValidation:rule="!has(self.enforceVersion) || has(self.enforce)",message="enforceVersion needs enforce"
// +kubebuilder:validation:XValidation:rule="!has(self.auditVersion) || has(self.audit)",message="auditVersion needs audit"
// +kubebuilder:validation:XValidation:rule="!has(self.warnVersion) || has(self.warn)",message="warnVersion needs warn"
type PodSecurity struct {
	// enforce is the level that a pod must meet to be admitted.
	// +optional
	Enforce PodSecurityLevel `json:"enforce,omitempty"`
	// audit is the level whose violations are annotated in the audit log.
	// +optional
	Audit PodSecurityLevel `json:"audit,omitempty"`
	// warn is the level whose violations are returned to the client as warnings.
	// +optional
	Warn PodSecurityLevel `json:"warn,omitempty"`
	// version is the version of the standards for each mode that sets none of its own: v1.<minor>
	// or latest. Defaults to latest.
	// +optional
	Version PodSecurityVersion `json:"version,omitempty"`
	// enforceVersion is the version for enforce. Defaults to version.
	// +optional
	EnforceVersion PodSecurityVersion `json:"enforceVersion,omitempty"`
	// auditVersion is the version for audit. Defaults to version.
	// +optional
	AuditVersion PodSecurityVersion `json:"auditVersion,omitempty"`
	// warnVersion is the version for warn. Defaults to version.
	// +optional
	WarnVersion PodSecurityVersion `json:"warnVersion,omitempty"`
}

// Network declares the NetworkPolicies of a namespace. An allowance opens only a direction that
// defaultDeny closes: in any other it would isolate pods instead of admitting traffic. So would a
// policy with rules that leaves policyTypes to Kubernetes, which takes it for one of Ingress, and
// of Egress too if it has egress rules. A policy that sets policyTypes says what it closes, and one
// without any rule is there to close.
//
// +kubebuilder:validation:XValidation:rule="!has(self.policies) || (has(self.defaultDeny) && 'Ingress' in self.defaultDeny) || self.policies.all(p, size(p.spec.?policyTypes.orValue([])) > 0 || (size(p.spec.?ingress.orValue([])) == 0 && size(p.spec.?egress.orValue([])) == 0))",message="a policy with rules and without policyTypes closes Ingress, which defaultDeny does not declare: set its policyTypes, to [Egress] if it is about egress only",fieldPath=".policies"
// +kubebuilder:validation:XValidation:rule="!has(self.policies) || (has(self.defaultDeny) && 'Egress' in self.defaultDeny) || self.policies.all(p, size(p.spec.?policyTypes.orValue([])) > 0 || size(p.spec.?egress.orValue([])) == 0)",message="a policy with egress rules and without policyTypes closes Egress, which defaultDeny does not declare: set its policyTypes",fieldPath=".policies"
// +kubebuilder:validation:XValidation:rule="!has(self.allowDNS) || (has(self.defaultDeny) && 'Egress' in self.defaultDeny)",message="allowDNS needs Egress in defaultDeny: egress that is not denied needs no allowance"
// +kubebuilder:validation:XValidation:rule="!has(self.allowAPIServer) || (has(self.defaultDeny) && 'Egress' in self.defaultDeny)",message="allowAPIServer needs Egress in defaultDeny: egress that is not denied needs no allowance"
// +kubebuilder:validation:XValidation:rule="!has(self.allowSameNamespace) || (has(self.defaultDeny) && size(self.defaultDeny) > 0)",message="allowSameNamespace needs a direction in defaultDeny: traffic that is not denied needs no allowance"
// +kubebuilder:validation:XValidation:rule="has(self.defaultDeny) || has(self.policies) || has(self.tenantPolicies)",message="network must declare defaultDeny, policies or tenantPolicies"
// +kubebuilder:validation:XValidation:rule="!has(self.tenantPolicies) || self.tenantPolicies != 'Within' || (has(self.defaultDeny) && size(self.defaultDeny) > 0)",message="tenantPolicies: Within needs a direction in defaultDeny: what is not denied cannot be re-opened"
type Network struct {
	// defaultDeny are the directions, Ingress and Egress, in which all traffic of all pods is
	// denied unless a NetworkPolicy admits it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=Ingress;Egress
	// +listType=set
	// +optional
	DefaultDeny []networkingv1.PolicyType `json:"defaultDeny,omitempty"`
	// allowDNS admits egress to the cluster's DNS. {} is pods labelled k8s-app=kube-dns in
	// kube-system, UDP and TCP port 53. cidrs add what no selector reaches.
	// +optional
	AllowDNS *AllowDNS `json:"allowDNS,omitempty"`
	// allowSameNamespace admits traffic between the pods of the namespace, in the directions of
	// defaultDeny. {} is all of it.
	// +optional
	AllowSameNamespace *AllowSameNamespace `json:"allowSameNamespace,omitempty"`
	// allowAPIServer admits egress to the API server.
	// +optional
	AllowAPIServer *AllowAPIServer `json:"allowAPIServer,omitempty"`
	// policies are further NetworkPolicies, each named bulwark-<name>, taken over as they are: pod,
	// namespace and CIDR peers. A policy that the API server would refuse is refused when the
	// profile is applied. One with rules must set policyTypes, unless all that Kubernetes would set
	// is in defaultDeny.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Policies []NetworkPolicy `json:"policies,omitempty"`
	// tenantPolicies is which NetworkPolicies others than Bulwark may add. Allow, the default, is
	// any. Within refuses those that open to every peer, every namespace or a sixteenth of all
	// addresses what defaultDeny closes. Deny refuses all. A policy that is there already stays,
	// and is a finding where it re-opens.
	// +optional
	TenantPolicies TenantPolicies `json:"tenantPolicies,omitempty"`
}

// AllowSameNamespace admits traffic between the pods of a namespace. It has no fields yet.
type AllowSameNamespace struct{}

// AllowDNS says where the cluster's DNS is found.
type AllowDNS struct {
	// namespaceSelector selects the namespaces of the DNS pods. Defaults to kube-system by name.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// podSelector selects the DNS pods. Defaults to k8s-app=kube-dns.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
	// cidrs are addresses that serve DNS beside the pods that are selected, in CIDR notation:
	// NodeLocal DNSCache answers at a link-local address of the host (169.254.20.10/32, say), which
	// no selector names.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c) && cidr(c) == cidr(c).masked())",message="each of cidrs must be an address range in CIDR notation with no bits set beyond its prefix, such as 169.254.20.10/32"
	// +listType=set
	// +optional
	CIDRs []string `json:"cidrs,omitempty"`
	// ports are the DNS ports, of the pods and of cidrs. Defaults to 53 over UDP and TCP. DNS is
	// asked over UDP first: a list without a port of UDP has to say the protocol of each.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(p, has(p.protocol)) || self.exists(p, has(p.protocol) && p.protocol == 'UDP')",message="protocol defaults to TCP, as Kubernetes' ports do, and DNS is asked over UDP first: set protocol: UDP, or TCP for each port if that is meant"
	// +listType=atomic
	// +optional
	Ports []DNSPort `json:"ports,omitempty"`
}

// DNSPort is a port that DNS is served on.
type DNSPort struct {
	// protocol is UDP or TCP. Defaults to TCP, as in Kubernetes.
	// +kubebuilder:validation:Enum=UDP;TCP
	// +optional
	Protocol corev1.Protocol `json:"protocol,omitempty"`
	// port is the port number at the pod.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +required
	Port int32 `json:"port"`
}

// AllowAPIServer says where the API server is found. It is not a pod that a selector could name.
type AllowAPIServer struct {
	// cidrs are the addresses of the API server's endpoints (`kubectl get endpointslices -n
	// default`), in CIDR notation.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c) && cidr(c) == cidr(c).masked())",message="each of cidrs must be an address range in CIDR notation with no bits set beyond its prefix, such as 10.0.0.1/32"
	// +listType=set
	// +required
	CIDRs []string `json:"cidrs"`
	// ports are the TCP ports of the API server's endpoints. Defaults to 443; many clusters serve
	// on 6443, and a NetworkPolicy sees the port of the endpoint, not of the Service.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=65535
	// +listType=set
	// +optional
	Ports []int32 `json:"ports,omitempty"`
}

// NetworkPolicy is a NetworkPolicy that is taken over as it is.
type NetworkPolicy struct {
	// name names the NetworkPolicy bulwark-<name>.
	// +kubebuilder:validation:XValidation:rule="!(self in ['default-deny', 'allow-dns', 'allow-same-namespace', 'allow-apiserver'])",message="default-deny, allow-dns, allow-same-namespace and allow-apiserver are the names of built-in policies"
	// +required
	Name ObjectName `json:"name"`
	// spec is the NetworkPolicy's spec: at most 8 rules in each direction, with at most 32 peers
	// and 32 ports each.
	// +required
	Spec networkingv1.NetworkPolicySpec `json:"spec"`
}

// ObjectName is a name that stays a valid Kubernetes name when the prefix bulwark- is put before
// it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="size(self) <= 55",message="a name must have at most 55 characters: with the prefix bulwark- it names an object, whose name may have 63"
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="a name must consist of lower case letters, digits and '-', and must start and end with a letter or digit"
type ObjectName string

// LimitRangeItem bounds and defaults the resources of one type of object. It reads as a
// corev1.LimitRangeItem; what the API server would refuse of that is refused when the profile is
// applied (hack/crdgen).
type LimitRangeItem struct {
	// type is what the item applies to: Container, Pod or PersistentVolumeClaim. Quantities with a
	// decimal point must be quoted: "1.5".
	// +kubebuilder:validation:Enum=Container;Pod;PersistentVolumeClaim
	// +required
	Type corev1.LimitType `json:"type"`
	// max is the most that one object may use, by resource name (cpu, memory, ephemeral-storage;
	// storage for claims).
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Max corev1.ResourceList `json:"max,omitempty"`
	// min is the least that one object must use.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Min corev1.ResourceList `json:"min,omitempty"`
	// default is the limit of a container that sets none. Defaults to max.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Default corev1.ResourceList `json:"default,omitempty"`
	// defaultRequest is the request of a container that sets none. Defaults to default, else to
	// min.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	DefaultRequest corev1.ResourceList `json:"defaultRequest,omitempty"`
	// maxLimitRequestRatio is the most that a limit may be as a multiple of its request.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	MaxLimitRequestRatio corev1.ResourceList `json:"maxLimitRequestRatio,omitempty"`
}

// Quota is a ResourceQuota.
type Quota struct {
	// name names the ResourceQuota bulwark-<name>.
	// +required
	Name ObjectName `json:"name"`
	// spec is the ResourceQuota's spec. A change of scopes or scopeSelector, which Kubernetes does
	// not allow, deletes the object and makes it anew. What Kubernetes would refuse or never count
	// is refused, and so is a count below what the profile itself makes.
	// +required
	Spec corev1.ResourceQuotaSpec `json:"spec"`
}
