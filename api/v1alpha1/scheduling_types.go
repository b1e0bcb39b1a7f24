package v1alpha1

// Tolerations says which taints of nodes a pod may tolerate.
type Tolerations struct {
	// allowed are the taints that a pod may tolerate. None by default.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=key
	// +optional
	Allowed []AllowedToleration `json:"allowed,omitempty"`
}

// AllowedToleration is a taint that a pod may tolerate, whatever its effect is.
type AllowedToleration struct {
	// key is the taint's key. No part of it is a pattern.
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	// +required
	Key string `json:"key"`
	// values are those that the taint may have. With them a toleration must name one (operator
	// Equal), since operator Exists tolerates every value. Any by default.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`
	// +listType=set
	// +optional
	Values []string `json:"values,omitempty"`
}

// PriorityClasses says which PriorityClasses a pod may name.
type PriorityClasses struct {
	// allowed are the names of PriorityClasses. None by default.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +listType=set
	// +optional
	Allowed []string `json:"allowed,omitempty"`
}
