package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Enforcement says whether Bulwark writes the baseline or only reports on it. Later releases may
// add values: clients have to tolerate those that they do not know in a report or status.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
type Enforcement string

const (
	// EnforcementEnforce writes the baseline and corrects drift.
	EnforcementEnforce Enforcement = "Enforce"
	// EnforcementAudit computes and reports everything, and writes no object of the baseline.
	EnforcementAudit Enforcement = "Audit"
)

// DeletionPolicy says what becomes of a baseline that no longer applies.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

const (
	// DeletionPolicyDelete removes the baseline's objects, labels and fields.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain leaves them as they are and stops managing them.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// Adoption says what happens to an object that bears a managed name and that Bulwark did not make.
//
// +kubebuilder:validation:Enum=Never;Adopt
type Adoption string

const (
	// AdoptionNever leaves the object alone and reports a Conflict.
	AdoptionNever Adoption = "Never"
	// AdoptionAdopt takes the object over, replaces its content, and records what it held.
	AdoptionAdopt Adoption = "Adopt"
)

// Rollout says when a stricter baseline takes effect.
//
// +kubebuilder:validation:Enum=Immediate;WhenSafe
type Rollout string

const (
	// RolloutImmediate puts everything in place at once. Pods that run go on running, and may not
	// be able to start again.
	RolloutImmediate Rollout = "Immediate"
	// RolloutWhenSafe lets what would refuse the pods that run wait, in each namespace by itself,
	// until they are gone or mended.
	RolloutWhenSafe Rollout = "WhenSafe"
)

// Contest says how to answer those who keep changing an object back.
//
// +kubebuilder:validation:Enum=Correct;BackOff
type Contest string

const (
	// ContestCorrect goes on correcting, at a bounded rate.
	ContestCorrect Contest = "Correct"
	// ContestBackOff lets each further correction wait longer than the last.
	ContestBackOff Contest = "BackOff"
)

// SecurityProfileSpec declares a security baseline and the namespaces that it applies to.
// A section that is absent is not managed.
//
// +kubebuilder:validation:XValidation:rule="has(self.podSecurity) || has(self.network) || has(self.limits) || has(self.quotas) || has(self.rbac) || has(self.workloads) || has(self.images)",message="a profile must declare at least one of podSecurity, network, limits, quotas, rbac, workloads and images"
type SecurityProfileSpec struct {
	// enforcement is Enforce (write the baseline and correct drift) or Audit (compute and report
	// everything, write no object of the baseline). Switching from Enforce to Audit leaves the
	// objects as they are.
	// +kubebuilder:default=Enforce
	// +kubebuilder:validation:Enum=Enforce;Audit
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// priority decides which profile governs a namespace that several select: the highest does, and
	// of equals the one with the smaller name. Exactly one profile governs a namespace; nothing is
	// merged. Defaults to 0.
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// namespaceSelector selects namespaces by label. {} selects every namespace that is not
	// protected (kube-system, kube-public, kube-node-lease, the operator's own, and what its
	// --protected-namespaces flag adds).
	// +required
	NamespaceSelector NamespaceSelector `json:"namespaceSelector"`

	// excludeNamespaces are names or globs (* is any run of characters, ? is one) of namespaces
	// that are never selected.
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[-a-z0-9*?]+$`
	// +listType=set
	// +optional
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`

	// deletionPolicy is what becomes of the baseline when the profile is deleted or stops selecting
	// a namespace, and no other profile governs it: Delete removes it, Retain leaves it behind,
	// unmanaged. Where another profile takes over, its baseline replaces this one, whatever this
	// says.
	// +kubebuilder:default=Delete
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// adoption is what happens to an object that bears a managed name and that Bulwark did not
	// make: Never leaves it alone and reports a Conflict, Adopt takes it over.
	// +kubebuilder:default=Never
	// +optional
	Adoption Adoption `json:"adoption,omitempty"`

	// rollout is when a stricter baseline takes effect. Immediate, the default, puts everything in
	// place at once. WhenSafe lets a stricter Pod Security level, LimitRange or ResourceQuota, and
	// stricter rules for pods of workloads or images, wait in each namespace in which they would
	// refuse what runs there now; the level and the rules warn and audit meanwhile, what would
	// break is reported (blocked), and what is in place is kept as it is. All else is put in place
	// at once.
	// +optional
	Rollout Rollout `json:"rollout,omitempty"`

	// contest is how to answer somebody who keeps changing an object of the baseline back. Correct,
	// the default, goes on correcting it, what is contested in one namespace once a second at most,
	// so that the declared value holds for most of the time. BackOff lets each further correction
	// wait twice as long as the last, from two seconds up to five minutes, so that the other one
	// prevails for most of the time and next to nothing is written. Either way it is reported as
	// Contested, with the manager.
	// +optional
	Contest Contest `json:"contest,omitempty"`

	// findings say what to look for that Bulwark does not own and that weakens the baseline. By
	// default everything.
	// +optional
	Findings *Findings `json:"findings,omitempty"`

	// podSecurity sets the Pod Security Admission labels of the namespace (NSA/CISA Kubernetes
	// Hardening Guide, Pod security; CIS Kubernetes Benchmark 5.2).
	// +optional
	PodSecurity *PodSecurity `json:"podSecurity,omitempty"`

	// network declares NetworkPolicies (NSA/CISA, Network separation; CIS 5.3).
	// +optional
	Network *Network `json:"network,omitempty"`

	// limits are the items of one LimitRange, bulwark-limits, at most one for each type.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +listType=map
	// +listMapKey=type
	// +optional
	Limits []LimitRangeItem `json:"limits,omitempty"`

	// quotas are ResourceQuotas, each named bulwark-<name>.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Quotas []Quota `json:"quotas,omitempty"`

	// rbac declares Roles, RoleBindings and ServiceAccounts (CIS 5.1). Least privilege is
	// validated: no wildcard, no escalate, bind or impersonate, no cluster-admin, no subject that
	// means everybody.
	// +optional
	RBAC *RBAC `json:"rbac,omitempty"`

	// workloads are rules for pods, Services and what has a pod template that the API server asks
	// of each request, by ValidatingAdmissionPolicies (KEP-3488).
	// +optional
	Workloads *Workloads `json:"workloads,omitempty"`

	// images are rules for the images of containers that the API server asks of each request.
	// +optional
	Images *Images `json:"images,omitempty"`

	// protection lets the API server itself guard the baseline.
	// +optional
	Protection *Protection `json:"protection,omitempty"`
}

// NamespaceSelector selects namespaces by their labels. It reads as a metav1.LabelSelector, with
// bounds and with operators that the API server checks when the profile is applied. It names no
// label that Bulwark itself writes on namespaces: what a profile selects must not hang on what the
// profile does.
type NamespaceSelector struct {
	// matchLabels are labels that a namespace must bear, all of them. None is one that Bulwark
	// writes on namespaces: pod-security.kubernetes.io/* and security.bulwark.dev/*.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('pod-security.kubernetes.io/') && !k.startsWith('security.bulwark.dev/'))",message="a profile must not select by a label that Bulwark writes on namespaces (pod-security.kubernetes.io/*, security.bulwark.dev/*): select by a label of your own",messageExpression="'a profile must not select by the label ' + self.filter(k, k.startsWith('pod-security.kubernetes.io/') || k.startsWith('security.bulwark.dev/'))[0] + ', which Bulwark writes on namespaces: select by a label of your own'"
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// matchExpressions are requirements that a namespace must meet, all of them. None is on a label
	// that Bulwark writes on namespaces.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	MatchExpressions []LabelRequirement `json:"matchExpressions,omitempty"`
}

// LabelRequirement is a requirement on one label.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",message="values must be given with In and NotIn, and must not be given with Exists and DoesNotExist"
type LabelRequirement struct {
	// key is the label's key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('pod-security.kubernetes.io/') && !self.startsWith('security.bulwark.dev/')",message="a profile must not select by a label that Bulwark writes on namespaces (pod-security.kubernetes.io/*, security.bulwark.dev/*): select by a label of your own",messageExpression="'a profile must not select by the label ' + self + ', which Bulwark writes on namespaces: select by a label of your own'"
	// +required
	Key string `json:"key"`
	// operator is In, NotIn, Exists or DoesNotExist.
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	// +required
	Operator metav1.LabelSelectorOperator `json:"operator"`
	// values are the label values that In and NotIn compare with.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	// +optional
	Values []string `json:"values,omitempty"`
}

// SecurityProfileStatus is the sum of the NamespacePostures of the namespaces that the profile
// governs.
type SecurityProfileStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready and Compliant, always, Reconciling and Stalled while they are true,
	// AdmissionReady where the profile declares what needs admission policies, and ReportsPublished
	// where the operator is to write reports as Reports of openreports.io too.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// selection is what the last spec that could be carried out selects. While the present one
	// cannot be (Stalled, InvalidSpec), the profile goes on governing that; one that never could be
	// governs nothing.
	// +optional
	Selection *RememberedSelection `json:"selection,omitempty"`

	// namespaces counts the namespaces by state.
	// +optional
	Namespaces NamespaceCounts `json:"namespaces"`

	// driftTotal counts every drift recorded in the governed namespaces and of the profile's
	// admission policies, of which drift holds the newest.
	// +optional
	DriftTotal int64 `json:"driftTotal,omitempty"`

	// policyDriftTotal counts how many of them were drift of the profile's admission policies,
	// which are in no namespace.
	// +optional
	PolicyDriftTotal int64 `json:"policyDriftTotal,omitempty"`

	// findingTotals count what weakens the baseline in the governed namespaces.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=id
	// +listMapKey=severity
	// +optional
	FindingTotals []FindingTotal `json:"findingTotals,omitempty"`

	// drift is the newest 32 drifts of the governed namespaces and of the profile's admission
	// policies, newest first.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Drift []DriftEntry `json:"drift,omitempty"`
}

// RememberedSelection is which namespaces a profile selects, and before which other profiles, as
// its spec said it. It is as long as that. It has no rules of its own, so that whatever was valid
// can be remembered.
type RememberedSelection struct {
	// generation is that of the spec in which it was first so.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// enforcement is spec.enforcement.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
	// priority is spec.priority.
	// +optional
	Priority int32 `json:"priority,omitempty"`
	// matchLabels are spec.namespaceSelector.matchLabels.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// matchExpressions are spec.namespaceSelector.matchExpressions.
	// +listType=atomic
	// +optional
	MatchExpressions []RememberedRequirement `json:"matchExpressions,omitempty"`
	// excludeNamespaces are spec.excludeNamespaces.
	// +listType=atomic
	// +optional
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// brokenSince is when the operator first found that a later spec cannot be carried out. A
	// namespace that was made since then was never governed by the profile, and is left to any
	// other that selects it.
	// +optional
	BrokenSince *metav1.Time `json:"brokenSince,omitempty"`
}

// RememberedRequirement is a requirement on one label, as the spec said it.
type RememberedRequirement struct {
	// key is the label's key.
	// +required
	Key string `json:"key"`
	// operator is In, NotIn, Exists or DoesNotExist.
	// +required
	Operator metav1.LabelSelectorOperator `json:"operator"`
	// values are the label values that In and NotIn compare with.
	// +listType=atomic
	// +optional
	Values []string `json:"values,omitempty"`
}

// NamespaceCounts counts namespaces by state. pending, compliant, weakened, blocked, uncounted,
// drifted, conflicted and failed add up to selected: each namespace counts where it is worst off,
// failed being the worst. contested counts some of the drifted.
type NamespaceCounts struct {
	// selected is the number of namespaces that the profile governs. One that is selected no more
	// counts until its baseline has been taken away.
	// +optional
	Selected int32 `json:"selected"`
	// pending is the number of namespaces that have no report yet, or joined a moment ago and are
	// not ready yet.
	// +optional
	Pending int32 `json:"pending"`
	// compliant is the number of namespaces that hold exactly what the profile declares, and in
	// which nothing weakens it.
	// +optional
	Compliant int32 `json:"compliant"`
	// weakened is the number of namespaces that hold what the profile declares, and in which
	// something else weakens it.
	// +optional
	Weakened int32 `json:"weakened"`
	// blocked is the number of namespaces in which a stricter object waits, since it would refuse
	// what runs there (see spec.rollout), and nothing worse.
	// +optional
	Blocked int32 `json:"blocked"`
	// uncounted is the number of namespaces in which Kubernetes has not counted a ResourceQuota, so
	// that it holds nobody, and nothing worse.
	// +optional
	Uncounted int32 `json:"uncounted"`
	// drifted is the number of namespaces in which an object is missing or differs, and nothing
	// worse.
	// +optional
	Drifted int32 `json:"drifted"`
	// contested is the number of namespaces in which another manager keeps changing an object back.
	// +optional
	Contested int32 `json:"contested"`
	// conflicted is the number of namespaces in which an object that Bulwark did not make bears a
	// managed name.
	// +optional
	Conflicted int32 `json:"conflicted"`
	// failed is the number of namespaces in which the API server refused an object of the baseline.
	// +optional
	Failed int32 `json:"failed"`
	// overridden is the number of namespaces that the profile selects and another profile governs.
	// +optional
	Overridden int32 `json:"overridden"`
}

// SecurityProfile declares the security baseline of the namespaces that it selects: Pod Security
// levels, NetworkPolicies, limits, quotas and RBAC. Bulwark reconciles it into native objects,
// keeps them as declared, and reports what drifted.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=secprof,categories=security
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.enforcement`,description="Enforce or Audit"
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`,description="The highest priority governs a namespace"
// +kubebuilder:printcolumn:name="Selected",type=integer,JSONPath=`.status.namespaces.selected`,description="Namespaces that the profile governs"
// +kubebuilder:printcolumn:name="Compliant",type=integer,JSONPath=`.status.namespaces.compliant`,description="Namespaces that hold exactly what is declared, with nothing that weakens it"
// +kubebuilder:printcolumn:name="Drifted",type=integer,JSONPath=`.status.namespaces.drifted`,description="Namespaces that differ from what is declared"
// +kubebuilder:printcolumn:name="Weakened",type=integer,JSONPath=`.status.namespaces.weakened`,description="Namespaces in which something else weakens what is declared",priority=1
// +kubebuilder:printcolumn:name="Blocked",type=integer,JSONPath=`.status.namespaces.blocked`,description="Namespaces in which a stricter object waits",priority=1
// +kubebuilder:printcolumn:name="Uncounted",type=integer,JSONPath=`.status.namespaces.uncounted`,description="Namespaces with a ResourceQuota that Kubernetes has not counted",priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the baseline is in place in every selected namespace"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a SecurityProfile is a label value on what it manages: at most 63 characters"
type SecurityProfile struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec declares the baseline and the namespaces that it applies to.
	// +required
	Spec SecurityProfileSpec `json:"spec"`
	// status reports on the governed namespaces.
	// +optional
	Status SecurityProfileStatus `json:"status,omitzero"`
}

// SecurityProfileList is a list of SecurityProfiles.
//
// +kubebuilder:object:root=true
type SecurityProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SecurityProfile `json:"items"`
}
