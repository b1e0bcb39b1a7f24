package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ObjectState is the state of one managed object. Later releases may add values: clients have to
// tolerate those that they do not know.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
type ObjectState string

const (
	// ObjectStateCompliant means that the object is as declared.
	ObjectStateCompliant ObjectState = "Compliant"
	// ObjectStateDrifted means that the object is missing or differs, or should not exist.
	ObjectStateDrifted ObjectState = "Drifted"
	// ObjectStateUncounted means that a ResourceQuota is as declared and that Kubernetes has not
	// counted what it bounds, so that it holds nobody.
	ObjectStateUncounted ObjectState = "Uncounted"
	// ObjectStateBlocked means that the object waits, since it would refuse what runs in the
	// namespace (see spec.rollout).
	ObjectStateBlocked ObjectState = "Blocked"
	// ObjectStateConflict means that an object that Bulwark did not make bears the name.
	ObjectStateConflict ObjectState = "Conflict"
	// ObjectStateFailed means that the API server refused the object.
	ObjectStateFailed ObjectState = "Failed"
)

// ManagedObject is one object of the baseline and its state.
type ManagedObject struct {
	ObjectReference `json:",inline"`
	// state is Compliant, Drifted, Uncounted, Blocked, Conflict or Failed.
	// +required
	State ObjectState `json:"state"`
	// message says why the object is not Compliant: the API server's own words where it refused it,
	// and the remedy.
	// +kubebuilder:validation:MaxLength=1400
	// +optional
	Message string `json:"message,omitempty"`
}

// PostureSummary counts the managed objects by state, and the findings.
type PostureSummary struct {
	// compliant is the number of objects that are as declared.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Compliant int32 `json:"compliant"`
	// drifted is the number of objects that are missing, differ, or should not exist.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Drifted int32 `json:"drifted"`
	// uncounted is the number of ResourceQuotas that are as declared and that Kubernetes has not
	// counted, so that they hold nobody.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Uncounted int32 `json:"uncounted"`
	// blocked is the number of objects that wait, since they would refuse what runs in the
	// namespace.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Blocked int32 `json:"blocked"`
	// conflicted is the number of names that an object of another maker bears.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Conflicted int32 `json:"conflicted"`
	// failed is the number of objects that the API server refused.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Failed int32 `json:"failed"`
	// contested is the number of objects that others keep changing back, or making again. They are
	// counted by their state, too.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Contested int32 `json:"contested"`
	// findings is the number of findings.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Findings int32 `json:"findings"`
}

// NamespacePostureStatus holds the conditions of a report, where kubectl wait and kstatus look for
// them. It is no subresource: a report is written whole, in one request.
type NamespacePostureStatus struct {
	// conditions are Ready, always, and Stalled while the profile that governs the namespace cannot
	// be carried out. They have no observedGeneration, since that of a report counts how often it
	// was written: see profileGeneration.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// OperatorState is what the operator remembers in a report. It is opaque: no client may read or
// write it, and any release may change it.
type OperatorState struct {
	// inPlace is what is in place of the objects that may wait. By it, what somebody loosened is
	// told from what has yet to become stricter. It is kept with the roll-out WhenSafe only, but
	// for rules for pods.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	InPlace []ObjectContent `json:"inPlace,omitempty"`
	// seal is by what Bulwark knows that it wrote this report itself, and nobody changed it since.
	// Bulwark does not believe a report without its seal, and writes it again.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Seal string `json:"seal,omitempty"`
}

// NamespacePosture reports on the baseline of one namespace. It is written by Bulwark, is always
// named posture, and, as a PolicyReport does, holds results only: no spec and no status
// subresource.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,shortName=nspost,categories=security
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.profile`,description="The SecurityProfile that governs the namespace"
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.enforcement`,description="Enforce or Audit"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the whole baseline is in place"
// +kubebuilder:printcolumn:name="Compliant",type=integer,JSONPath=`.summary.compliant`,description="Objects that are as declared"
// +kubebuilder:printcolumn:name="Drifted",type=integer,JSONPath=`.summary.drifted`,description="Objects that differ"
// +kubebuilder:printcolumn:name="Conflicted",type=integer,JSONPath=`.summary.conflicted`,description="Names that an object of another maker bears"
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.summary.failed`,description="Objects that the API server refused"
// +kubebuilder:printcolumn:name="Blocked",type=integer,JSONPath=`.summary.blocked`,description="Objects that wait, since they would refuse what runs",priority=1
// +kubebuilder:printcolumn:name="Uncounted",type=integer,JSONPath=`.summary.uncounted`,description="ResourceQuotas that Kubernetes has not counted",priority=1
// +kubebuilder:printcolumn:name="Findings",type=integer,JSONPath=`.summary.findings`,description="What weakens the baseline though Bulwark does not own it",priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'posture'",message="a NamespacePosture is always named posture"
type NamespacePosture struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// profile is the name of the SecurityProfile that governs the namespace.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Profile string `json:"profile"`
	// namespaceUID is the uid of the namespace that this report speaks of. A report that outlives
	// its namespace, or is restored from a backup, says nothing of the next namespace of this name.
	// +optional
	NamespaceUID types.UID `json:"namespaceUID,omitempty"`
	// profileGeneration is the generation of the profile's spec that this report speaks of.
	// +required
	ProfileGeneration int64 `json:"profileGeneration"`
	// enforcement is the profile's: Enforce or Audit.
	// +required
	Enforcement Enforcement `json:"enforcement"`
	// status says whether every object of the baseline is in place, but for those that wait
	// (blocked): the condition Ready. While Stalled is True, the profile that governs the namespace
	// cannot be carried out: what is in place stays as it is, drift is not corrected, and summary,
	// objects and findings say how it was before.
	// +optional
	Status NamespacePostureStatus `json:"status,omitzero"`
	// summary counts the managed objects by state.
	// +required
	Summary PostureSummary `json:"summary"`
	// objects are the managed objects, the Namespace itself first.
	// +kubebuilder:validation:MaxItems=512
	// +listType=atomic
	// +optional
	Objects []ManagedObject `json:"objects,omitempty"`
	// blocked are the objects that wait, since they would refuse what runs in the namespace (see
	// spec.rollout); under Audit, what would break if the profile were enforced.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Blocked []BlockedObject `json:"blocked,omitempty"`
	// findings are what Bulwark does not own and that weakens the baseline, the gravest first, at
	// most 64.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Findings []Finding `json:"findings,omitempty"`
	// findingTotals count all findings, also those that findings leaves out.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=id
	// +listMapKey=severity
	// +optional
	FindingTotals []FindingTotal `json:"findingTotals,omitempty"`
	// podsUnseen says that the pods of the namespace could not be looked at when they were to be:
	// what findings say of them is of before.
	// +optional
	PodsUnseen bool `json:"podsUnseen,omitempty"`
	// truncated is how many entries the lists leave out, the history of drift aside, so that the
	// report fits into one object.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Truncated int64 `json:"truncated,omitempty"`
	// driftTotal counts every drift recorded in this namespace, of which drift holds the newest.
	// +kubebuilder:validation:Minimum=0
	// +optional
	DriftTotal int64 `json:"driftTotal,omitempty"`
	// drift is the newest 32 drifts of the namespace, newest first. Corrected ones stay as history.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Drift []DriftEntry `json:"drift,omitempty"`
	// operatorState is what the operator remembers in this report. It is opaque, and not for
	// clients.
	// +optional
	OperatorState OperatorState `json:"operatorState,omitzero"`
}

// NamespacePostureList is a list of NamespacePostures.
//
// +kubebuilder:object:root=true
type NamespacePostureList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NamespacePosture `json:"items"`
}
