package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ObjectReference names an object within the namespace that is spoken of, or the namespace itself.
type ObjectReference struct {
	// apiVersion is the object's API version.
	// +kubebuilder:validation:MaxLength=317
	// +required
	APIVersion string `json:"apiVersion"`
	// kind is the object's kind.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// name is the object's name. Of one that has more than 253 characters, or such as steer a
	// terminal, as a Role may, it is the first of them, with escapes, …/ and a digest of the whole.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// DriftChange says how an object differs from the baseline. Later releases may add values: clients
// have to tolerate those that they do not know.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
type DriftChange string

const (
	// DriftChangeMissing means that the object should exist and does not.
	DriftChangeMissing DriftChange = "Missing"
	// DriftChangeModified means that the object exists and its content differs.
	DriftChangeModified DriftChange = "Modified"
	// DriftChangeUnexpected means that the object bears Bulwark's labels, and the baseline does not
	// hold it.
	DriftChangeUnexpected DriftChange = "Unexpected"
)

// DriftState says what became of a drift. Later releases may add values: clients have to tolerate
// those that they do not know.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
type DriftState string

const (
	// DriftStatePresent means that the object still differs, because the profile audits only,
	// because the API server refused the correction, or because a mutating webhook or admission
	// policy changed what was written.
	DriftStatePresent DriftState = "Present"
	// DriftStateCorrected means that the object is again as declared.
	DriftStateCorrected DriftState = "Corrected"
	// DriftStateContested means that another manager changes the object back again and again, or
	// makes it again and again (see spec.contest).
	DriftStateContested DriftState = "Contested"
	// DriftStateConflict means that Bulwark did not make the object and leaves it alone (see
	// spec.adoption).
	DriftStateConflict DriftState = "Conflict"
)

// FieldDrift is one field that differs.
type FieldDrift struct {
	// path is the field's path, such as spec.policyTypes.
	// +kubebuilder:validation:MaxLength=512
	// +required
	Path string `json:"path"`
	// want is the declared value as JSON, cut to 256 characters; absent where the field should not
	// be set.
	// +kubebuilder:validation:MaxLength=260
	// +optional
	Want string `json:"want,omitempty"`
	// got is the value found as JSON, cut to 256 characters; absent where the field is not set.
	// +kubebuilder:validation:MaxLength=260
	// +optional
	Got string `json:"got,omitempty"`
}

// DriftEntry is one departure from the baseline, and what became of it.
type DriftEntry struct {
	// namespace is the governed namespace, in the status of a profile. It is absent of an admission
	// policy, which is in none, and in a NamespacePosture, which speaks of its own.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// object is the object that differs; a label of the namespace itself is drift of the Namespace.
	// +required
	Object ObjectReference `json:"object"`
	// change is Missing, Modified or Unexpected.
	// +required
	Change DriftChange `json:"change"`
	// fields are the fields that differ, at most 16, for the change Modified.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Fields []FieldDrift `json:"fields,omitempty"`
	// manager is the field manager that last set one of these fields. It is a hint: clients name
	// themselves. Of a field that was removed and of an object that was deleted Kubernetes keeps no
	// manager: the API server's audit log does.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Manager string `json:"manager,omitempty"`
	// operation is how the manager set them: Apply (server-side apply) or Update (all other
	// writes).
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
	// +optional
	Operation metav1.ManagedFieldsOperationType `json:"operation,omitempty"`
	// managedAt is when the manager last set any field of the object.
	// +optional
	ManagedAt *metav1.Time `json:"managedAt,omitempty"`
	// observedAt is when Bulwark first saw this drift.
	// +required
	ObservedAt metav1.Time `json:"observedAt"`
	// state is Present, Corrected, Contested or Conflict.
	// +required
	State DriftState `json:"state"`
}
