package v1alpha1

// ExceptedContainers are the containers of an exception: those of which each list that it has names
// one.
type ExceptedContainers struct {
	// containers are names. Whoever makes a pod names its containers: so name the images, too, where
	// that must not be enough.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +listType=set
	// +optional
	Containers []string `json:"containers,omitempty"`
	// images are hosts and paths that images come from, read as allowedRegistries are: each allows
	// itself and what is below it, by whole path segments.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.split('/')[0].matches('[.:]|^localhost$'))",message="each of images must begin with a host, which has a dot or a port or is localhost: docker.io/library, not library"
	// +listType=set
	// +optional
	Images []string `json:"images,omitempty"`
	// reason says why, for whoever reads the profile.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]+$`
	// +required
	Reason string `json:"reason"`
}

// WorkloadException lets containers break rules of workloads.
//
// +kubebuilder:validation:XValidation:rule="has(self.containers) || has(self.images)",message="an exception must name containers or images"
type WorkloadException struct {
	ExceptedContainers `json:",inline"`
	// rules are those that the containers may break, by the names that refusals say. Rules that are
	// about the pod as a whole have no exceptions.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +required
	Rules []WorkloadRule `json:"rules"`
}

// ImageException lets images break rules of images.
//
// +kubebuilder:validation:XValidation:rule="has(self.containers) || has(self.images)",message="an exception must name containers or images"
// +kubebuilder:validation:XValidation:rule="has(self.images) || !('allowedRegistries' in self.rules)",message="an exception from allowedRegistries must name images: anybody may name a container so"
type ImageException struct {
	ExceptedContainers `json:",inline"`
	// rules are those that the images may break, by the names that refusals say.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +listType=set
	// +required
	Rules []ImageRule `json:"rules"`
}

// WorkloadRule is the name of a rule of workloads that is about a container.
//
// +kubebuilder:validation:Enum=readOnlyRootFilesystem;runAsNonRoot;dropAllCapabilities;seccomp;appArmor;seLinux;requireRequestsCPU;requireRequestsMemory;requireRequestsEphemeralStorage;requireLimitsCPU;requireLimitsMemory;requireLimitsEphemeralStorage;requireProbesLiveness;requireProbesReadiness;requireProbesStartup;hostPort
type WorkloadRule string

// The rules of workloads that are about a container.
const (
	WorkloadRuleReadOnlyRootFilesystem          WorkloadRule = "readOnlyRootFilesystem"
	WorkloadRuleRunAsNonRoot                    WorkloadRule = "runAsNonRoot"
	WorkloadRuleDropAllCapabilities             WorkloadRule = "dropAllCapabilities"
	WorkloadRuleSeccomp                         WorkloadRule = "seccomp"
	WorkloadRuleAppArmor                        WorkloadRule = "appArmor"
	WorkloadRuleSELinux                         WorkloadRule = "seLinux"
	WorkloadRuleRequireRequestsCPU              WorkloadRule = "requireRequestsCPU"
	WorkloadRuleRequireRequestsMemory           WorkloadRule = "requireRequestsMemory"
	WorkloadRuleRequireRequestsEphemeralStorage WorkloadRule = "requireRequestsEphemeralStorage"
	WorkloadRuleRequireLimitsCPU                WorkloadRule = "requireLimitsCPU"
	WorkloadRuleRequireLimitsMemory             WorkloadRule = "requireLimitsMemory"
	WorkloadRuleRequireLimitsEphemeralStorage   WorkloadRule = "requireLimitsEphemeralStorage"
	WorkloadRuleRequireProbesLiveness           WorkloadRule = "requireProbesLiveness"
	WorkloadRuleRequireProbesReadiness          WorkloadRule = "requireProbesReadiness"
	WorkloadRuleRequireProbesStartup            WorkloadRule = "requireProbesStartup"
	WorkloadRuleHostPort                        WorkloadRule = "hostPort"
)

// WorkloadRules are all of them.
var WorkloadRules = []WorkloadRule{
	WorkloadRuleReadOnlyRootFilesystem, WorkloadRuleRunAsNonRoot, WorkloadRuleDropAllCapabilities,
	WorkloadRuleSeccomp, WorkloadRuleAppArmor, WorkloadRuleSELinux,
	WorkloadRuleRequireRequestsCPU, WorkloadRuleRequireRequestsMemory, WorkloadRuleRequireRequestsEphemeralStorage,
	WorkloadRuleRequireLimitsCPU, WorkloadRuleRequireLimitsMemory, WorkloadRuleRequireLimitsEphemeralStorage,
	WorkloadRuleRequireProbesLiveness, WorkloadRuleRequireProbesReadiness, WorkloadRuleRequireProbesStartup,
	WorkloadRuleHostPort,
}

// ImageRule is the name of a rule of images.
//
// +kubebuilder:validation:Enum=allowedRegistries;digest;denyTags;pullPolicy
type ImageRule string

// The rules of images.
const (
	ImageRuleAllowedRegistries ImageRule = "allowedRegistries"
	ImageRuleDigest            ImageRule = "digest"
	ImageRuleDenyTags          ImageRule = "denyTags"
	ImageRulePullPolicy        ImageRule = "pullPolicy"
)

// ImageRules are all of them.
var ImageRules = []ImageRule{
	ImageRuleAllowedRegistries, ImageRuleDigest, ImageRuleDenyTags, ImageRulePullPolicy,
}
