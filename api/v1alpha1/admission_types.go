package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// AdmissionAction is what the API server does with a request that breaks a rule.
//
// +kubebuilder:validation:Enum=Deny;Warn;Audit
type AdmissionAction string

const (
	// AdmissionActionDeny refuses the request.
	AdmissionActionDeny AdmissionAction = "Deny"
	// AdmissionActionWarn admits it and warns the client.
	AdmissionActionWarn AdmissionAction = "Warn"
	// AdmissionActionAudit admits it and annotates the audit event.
	AdmissionActionAudit AdmissionAction = "Audit"
)

// Requirement is the word of a rule that requires something. A rule that is absent is not asked.
//
// +kubebuilder:validation:Enum=Require
type Requirement string

// RequirementRequire requires it.
const RequirementRequire Requirement = "Require"

// Prohibition is the word of a rule that forbids something. A rule that is absent is not asked.
//
// +kubebuilder:validation:Enum=Forbid
type Prohibition string

// ProhibitionForbid forbids it.
const ProhibitionForbid Prohibition = "Forbid"

// AllowancePolicy is the word of a rule that forbids something, all of it or all but a list.
//
// +kubebuilder:validation:Enum=Forbid;AllowListed
type AllowancePolicy string

const (
	// AllowancePolicyForbid allows none.
	AllowancePolicyForbid AllowancePolicy = "Forbid"
	// AllowancePolicyAllowListed allows what the rule's list names, and nothing else.
	AllowancePolicyAllowListed AllowancePolicy = "AllowListed"
)

// Workloads are rules for pods that Pod Security does not have. They hold for init containers and
// ephemeral containers too, and for the pod template of a Deployment, ReplicaSet, StatefulSet,
// DaemonSet, ReplicationController, Job or CronJob, so that whoever applies one is told at once. A
// rule that is absent is not asked; one that is there says in a word what it does (Require, Forbid,
// AllowListed), or is a list of what may be. The API server asks them of what is created and of
// each change of a pod spec: what runs already goes on.
//
// +kubebuilder:validation:XValidation:rule="has(self.readOnlyRootFilesystem) || has(self.runAsNonRoot) || has(self.dropAllCapabilities) || has(self.seccomp) || has(self.appArmor) || has(self.seLinux) || has(self.requireRequests) || has(self.requireLimits) || has(self.requireProbes) || has(self.hostPath) || has(self.hostPort) || has(self.hostNetwork) || has(self.automountServiceAccountToken) || has(self.nodeName) || has(self.tolerations) || has(self.priorityClasses) || has(self.allowedServiceTypes)",message="workloads must set at least one rule"
type Workloads struct {
	// action is what becomes of a request that breaks a rule: Deny, the default, Warn or Audit.
	// With enforcement Audit it is Warn.
	// +optional
	Action AdmissionAction `json:"action,omitempty"`
	// readOnlyRootFilesystem: Require asks of each container
	// securityContext.readOnlyRootFilesystem: true (NSA/CISA, Immutable container file systems).
	// Windows pods, which cannot, are left out.
	// +optional
	ReadOnlyRootFilesystem Requirement `json:"readOnlyRootFilesystem,omitempty"`
	// runAsNonRoot: Require asks of each container runAsNonRoot: true and no runAsUser: 0, of its
	// own or of the pod (NSA/CISA, Non-root containers; CIS 5.2.7).
	// +optional
	RunAsNonRoot Requirement `json:"runAsNonRoot,omitempty"`
	// dropAllCapabilities: Require asks of each container to drop ALL capabilities and to add none
	// but NET_BIND_SERVICE (CIS 5.2.10). Windows pods are left out.
	// +optional
	DropAllCapabilities Requirement `json:"dropAllCapabilities,omitempty"`
	// seccomp are the types of seccomp profile that each container must have one of, of its own or
	// of the pod (CIS 5.7.2). Windows pods are left out.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=RuntimeDefault;Localhost
	// +listType=set
	// +optional
	Seccomp []corev1.SeccompProfileType `json:"seccomp,omitempty"`
	// appArmor are the types of AppArmor profile that a container may have, of its own or of the
	// pod. A container without one has RuntimeDefault. Windows pods are left out.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=RuntimeDefault;Localhost;Unconfined
	// +listType=set
	// +optional
	AppArmor []corev1.AppArmorProfileType `json:"appArmor,omitempty"`
	// seLinux are the SELinux types that a container may set, by itself or with the pod. To set
	// none is always allowed. Windows pods are left out.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9_]{1,63}$`
	// +listType=set
	// +optional
	SELinux []string `json:"seLinux,omitempty"`
	// requireRequests are the resources that each container, ephemeral ones aside, must request:
	// cpu, memory, ephemeral-storage. A limit counts, since Kubernetes takes it for the request,
	// and so do requests of the whole pod. A resource for which spec.limits has a default is not
	// asked of pod templates: their pods get it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=cpu;memory;ephemeral-storage
	// +listType=set
	// +optional
	RequireRequests []corev1.ResourceName `json:"requireRequests,omitempty"`
	// requireLimits are the resources that each container, ephemeral ones aside, must limit: cpu,
	// memory, ephemeral-storage (CIS 5.7.1; NSA/CISA, Resource policies). Limits of the whole pod
	// count. A resource for which spec.limits has a default is not asked of pod templates: their
	// pods get it.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=cpu;memory;ephemeral-storage
	// +listType=set
	// +optional
	RequireLimits []corev1.ResourceName `json:"requireLimits,omitempty"`
	// requireProbes are the probes that each container must have that the kubelet restarts whenever
	// it ends: Liveness, Readiness, Startup. It is judged container by container: by its own
	// restartPolicy and restartPolicyRules, or else by the pod's restartPolicy; a sidecar is
	// restarted always, in a Job too. A container that runs to an end needs none, be it restarted
	// on failure or never.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	RequireProbes []Probe `json:"requireProbes,omitempty"`
	// hostPath says which hostPath volumes there may be (CIS 5.2.12).
	// +optional
	HostPath *HostPath `json:"hostPath,omitempty"`
	// hostPort says which host ports a container may take (CIS 5.2.13).
	// +optional
	HostPort *HostPort `json:"hostPort,omitempty"`
	// hostNetwork: Forbid forbids pods in the host's network (CIS 5.2.5).
	// +optional
	HostNetwork Prohibition `json:"hostNetwork,omitempty"`
	// automountServiceAccountToken: Forbid forbids pods that have their service account's token
	// mounted by Kubernetes, be it because they ask for it or because their service account does
	// (CIS 5.1.6). A volume that projects a token is not automatic.
	// +optional
	AutomountServiceAccountToken Prohibition `json:"automountServiceAccountToken,omitempty"`
	// nodeName: Forbid forbids pods that name their node (spec.nodeName): such a pod passes the
	// scheduler by, and with it each taint of the node but NoExecute.
	// +optional
	NodeName Prohibition `json:"nodeName,omitempty"`
	// tolerations says which taints of nodes a pod may tolerate. Those that tell a node's
	// condition, node.kubernetes.io/*, always may be, since Kubernetes itself has each pod tolerate
	// some.
	// +optional
	Tolerations *Tolerations `json:"tolerations,omitempty"`
	// priorityClasses says which PriorityClasses a pod may name. A pod of a higher priority puts
	// others out of a full node, and anybody may name system-cluster-critical. Kubernetes has a pod
	// that names none name the cluster's default class, if there is one: allow that.
	// +optional
	PriorityClasses *PriorityClasses `json:"priorityClasses,omitempty"`
	// allowedServiceTypes are the types that a Service may have.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:Enum=ClusterIP;NodePort;LoadBalancer;ExternalName
	// +listType=set
	// +optional
	AllowedServiceTypes []corev1.ServiceType `json:"allowedServiceTypes,omitempty"`
	// except lets containers break some of these rules, such as a sidecar that a mesh puts into each
	// pod. Each entry is by itself.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Except []WorkloadException `json:"except,omitempty"`
}

// Probe is a kind of probe.
//
// +kubebuilder:validation:Enum=Liveness;Readiness;Startup
type Probe string

const (
	// ProbeLiveness restarts a container that has hung.
	ProbeLiveness Probe = "Liveness"
	// ProbeReadiness keeps traffic from a container that is not ready.
	ProbeReadiness Probe = "Readiness"
	// ProbeStartup holds the others back while a container starts.
	ProbeStartup Probe = "Startup"
)

// HostPath says which hostPath volumes there may be.
//
// +kubebuilder:validation:XValidation:rule="self.policy != 'AllowListed' || size(self.?allowed.orValue([])) > 0",message="the policy AllowListed needs allowed, the list of what may be"
// +kubebuilder:validation:XValidation:rule="self.policy != 'Forbid' || size(self.?allowed.orValue([])) == 0",message="the policy Forbid allows nothing: with allowed the policy is AllowListed"
type HostPath struct {
	// policy is Forbid, which allows none, or AllowListed.
	// +required
	Policy AllowancePolicy `json:"policy"`
	// allowed are the directories of the host below which a hostPath volume may be, with the policy
	// AllowListed.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=pathPrefix
	// +optional
	Allowed []AllowedHostPath `json:"allowed,omitempty"`
}

// AllowedHostPath is a directory of the host.
type AllowedHostPath struct {
	// pathPrefix is an absolute path without a slash at its end. It allows itself and what is below
	// it.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^(/[-A-Za-z0-9._]+)+$`
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(s, s == '..' || s == '.')",message="pathPrefix must not hold . or .."
	// +required
	PathPrefix string `json:"pathPrefix"`
	// readOnly: Require asks that every mount of such a volume be readOnly: true.
	// +optional
	ReadOnly Requirement `json:"readOnly,omitempty"`
}

// HostPort says which host ports a container may take.
//
// +kubebuilder:validation:XValidation:rule="self.policy != 'AllowListed' || size(self.?allowed.orValue([])) > 0",message="the policy AllowListed needs allowed, the list of what may be"
// +kubebuilder:validation:XValidation:rule="self.policy != 'Forbid' || size(self.?allowed.orValue([])) == 0",message="the policy Forbid allows nothing: with allowed the policy is AllowListed"
type HostPort struct {
	// policy is Forbid, which allows none, or AllowListed.
	// +required
	Policy AllowancePolicy `json:"policy"`
	// allowed are ranges of ports, with the policy AllowListed.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Allowed []PortRange `json:"allowed,omitempty"`
}

// PortRange is a range of ports.
//
// +kubebuilder:validation:XValidation:rule="self.min <= self.max",message="min must not be greater than max"
type PortRange struct {
	// min is the lowest port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +required
	Min int32 `json:"min"`
	// max is the highest port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +required
	Max int32 `json:"max"`
}

// Images are rules for the images of containers and of volumes, for the same kinds and at the same
// times as workloads. An image without a host is one of docker.io, and one of docker.io without a
// path is below library: x, x:latest and docker.io/library/x are the same.
//
// +kubebuilder:validation:XValidation:rule="has(self.allowedRegistries) || has(self.denyTags) || has(self.pullPolicy) || has(self.digest) || has(self.vulnerabilities)",message="images must set at least one rule"
type Images struct {
	// action is what becomes of a request that breaks a rule: Deny, the default, Warn or Audit.
	// With enforcement Audit it is Warn.
	// +optional
	Action AdmissionAction `json:"action,omitempty"`
	// allowedRegistries are the hosts, with their port if they have one, and paths that images may
	// come from: registry.example.com, registry.example.com:5000/team or docker.io/library (CIS
	// 5.5.1). A path allows itself and what is below it; no part of it is a pattern.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.split('/')[0].matches('[.:]|^localhost$'))",message="each of allowedRegistries must begin with a host, which has a dot or a port or is localhost: docker.io/library, not library"
	// +listType=set
	// +optional
	AllowedRegistries []string `json:"allowedRegistries,omitempty"`
	// digest: Require asks that each image be named by its digest, @sha256:…, so that what runs is
	// what was checked.
	// +optional
	Digest Requirement `json:"digest,omitempty"`
	// denyTags are tags that no image may have. An image with neither tag nor digest has the tag
	// latest.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9_][-A-Za-z0-9._]{0,127}$`
	// +listType=set
	// +optional
	DenyTags []string `json:"denyTags,omitempty"`
	// pullPolicy is the imagePullPolicy that each container must have. One that it does not set is
	// as Kubernetes defaults it: Always for the tag latest, else IfNotPresent. Always has each
	// pod's pull secrets checked (the admission plugin AlwaysPullImages).
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	// +optional
	PullPolicy corev1.PullPolicy `json:"pullPolicy,omitempty"`
	// vulnerabilities say what reports of scanners may hold of an image. `kubectl posture check`
	// judges them; in the cluster nothing becomes of them.
	// +optional
	Vulnerabilities *Vulnerabilities `json:"vulnerabilities,omitempty"`
	// except lets images break some of the rules for pods. Each entry is by itself.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Except []ImageException `json:"except,omitempty"`
}

// Protection lets the API server itself guard the baseline, also while the operator is down.
//
// +kubebuilder:validation:XValidation:rule="!has(self.breakGlassGroups) || has(self.tamper)",message="breakGlassGroups needs tamper: Forbid"
// +kubebuilder:validation:XValidation:rule="!has(self.breakGlassUsers) || has(self.tamper)",message="breakGlassUsers needs tamper: Forbid"
type Protection struct {
	// readyGate: Require refuses new pods until the namespace's NamespacePosture says that the
	// baseline of this profile is in place. Nobody but Bulwark and Kubernetes may write
	// NamespacePostures where there is a gate. Without effect under enforcement Audit.
	// +optional
	ReadyGate Requirement `json:"readyGate,omitempty"`
	// tamper: Forbid refuses changes of what Bulwark manages to everybody but Bulwark, the
	// controllers of Kubernetes that must, breakGlassGroups and breakGlassUsers: of its objects, of
	// NamespacePostures, of the label by which it knows a namespace and of the Pod Security labels
	// that the profile declares. It reserves the names that begin with bulwark-, and lets only
	// those who may update the profile take a namespace out of its selection. A namespace that is
	// restored with the label of the profile that governs it is admitted.
	// +optional
	Tamper Prohibition `json:"tamper,omitempty"`
	// breakGlassGroups are groups of users whom tamper does not hold. Their changes are still drift
	// and are corrected while the operator runs. Each use is an event (BreakGlassUsed), a metric
	// and an annotation of the audit event.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:Pattern=`^[^\x00-\x1f\x7f]+$`
	// +kubebuilder:validation:XValidation:rule="!self.exists(g, g in ['system:authenticated', 'system:unauthenticated', 'system:nodes'] || g.startsWith('system:serviceaccounts'))",message="breakGlassGroups must not name a group that everybody, all nodes or all service accounts are in"
	// +listType=set
	// +optional
	BreakGlassGroups []string `json:"breakGlassGroups,omitempty"`
	// breakGlassUsers are users whom tamper does not hold either, each by exactly the name by which
	// the API server knows them. For a service account, such as that of a backup tool, it is
	// system:serviceaccount:NAMESPACE:NAME.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:Pattern=`^[^\x00-\x1f\x7f]+$`
	// +kubebuilder:validation:XValidation:rule="!self.exists(u, u == 'system:anonymous')",message="breakGlassUsers must not name system:anonymous, which is everybody who does not say who they are"
	// +kubebuilder:validation:XValidation:rule="!self.exists(u, u in ['system:authenticated', 'system:unauthenticated', 'system:masters', 'system:nodes'] || u.startsWith('system:serviceaccounts'))",message="breakGlassUsers names users, and this is a group: see breakGlassGroups"
	// +kubebuilder:validation:XValidation:rule="self.all(u, !u.startsWith('system:serviceaccount:') || u.matches('^system:serviceaccount:[a-z0-9]([-a-z0-9]*[a-z0-9])?:[a-z0-9]([-.a-z0-9]*[a-z0-9])?$'))",message="a service account's name is exactly system:serviceaccount:NAMESPACE:NAME"
	// +listType=set
	// +optional
	BreakGlassUsers []string `json:"breakGlassUsers,omitempty"`
}

// TenantPolicies says which NetworkPolicies tenants may add.
//
// +kubebuilder:validation:Enum=Allow;Within;Deny
type TenantPolicies string

const (
	// TenantPoliciesAllow lets tenants add any.
	TenantPoliciesAllow TenantPolicies = "Allow"
	// TenantPoliciesWithin refuses those that open to everybody what defaultDeny closes.
	TenantPoliciesWithin TenantPolicies = "Within"
	// TenantPoliciesDeny refuses all.
	TenantPoliciesDeny TenantPolicies = "Deny"
)
