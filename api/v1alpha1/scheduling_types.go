package v1alpha1

// Tolerations says which taints of nodes a pod may tolerate.
//
// +kubebuilder:validation:XValidation:rule="self.policy != 'AllowListed' || size(self.?allowed.orValue([])) > 0",message="the policy AllowListed needs allowed, the list of what may be"
// +kubebuilder:validation:XValidation:rule="self.policy != 'Forbid' || size(self.?allowed.orValue([])) == 0",message="the policy Forbid allows nothing: with allowed the policy is AllowListed"
type Tolerations struct {
	// policy is Forbid, which allows none, or AllowListed.
	// +required
	Policy AllowancePolicy `json:"policy"`
	// allowed are the taints that a pod may tolerate, with the policy AllowListed.
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
//
// +kubebuilder:validation:XValidation:rule="self.policy != 'AllowListed' || size(self.?allowed.orValue([])) > 0",message="the policy AllowListed needs allowed, the list of what may be"
// +kubebuilder:validation:XValidation:rule="self.policy != 'Forbid' || size(self.?allowed.orValue([])) == 0",message="the policy Forbid allows nothing: with allowed the policy is AllowListed"
type PriorityClasses struct {
	// policy is Forbid, which allows none, or AllowListed.
	// +required
	Policy AllowancePolicy `json:"policy"`
	// allowed are the names of PriorityClasses, with the policy AllowListed.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +listType=set
	// +optional
	Allowed []string `json:"allowed,omitempty"`
}
