package v1alpha1

// FindingsMode says whether to look for findings.
//
// +kubebuilder:validation:Enum=Report;Disabled
type FindingsMode string

const (
	// FindingsModeReport looks for findings and reports them.
	FindingsModeReport FindingsMode = "Report"
	// FindingsModeDisabled looks for none.
	FindingsModeDisabled FindingsMode = "Disabled"
)

// FindingID names what is looked for. Later releases may add values: clients have to tolerate those
// that they do not know.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
type FindingID string

const (
	// FindingIDNetworkReopened means that a NetworkPolicy of another maker lets in or out what
	// defaultDeny closes, to everybody: every namespace, or most of the Internet (NSA/CISA, Network
	// separation; CIS 5.3.2).
	FindingIDNetworkReopened FindingID = "NetworkReopened"
	// FindingIDPrivilegedBinding means that a RoleBinding of another maker gives a subject that the
	// profile does not name admin, edit or cluster-admin, or a role with wildcards, access to
	// Secrets, exec into Pods, or escalate, bind or impersonate (CIS 5.1.1, 5.1.2, 5.1.3, 5.1.8).
	FindingIDPrivilegedBinding FindingID = "PrivilegedBinding"
	// FindingIDBroadBinding means that a RoleBinding of another maker gives anything to everybody
	// who is authenticated, to everybody who is not, or to all service accounts.
	FindingIDBroadBinding FindingID = "BroadBinding"
	// FindingIDTokenMountedByDefault means that a ServiceAccount that the profile does not declare
	// mounts its token into every pod by default, though the profile declares that those it manages
	// do not (CIS 5.1.6).
	FindingIDTokenMountedByDefault FindingID = "TokenMountedByDefault"
	// FindingIDLimitDefaultsOverridden means that a LimitRange of another maker has other defaults
	// for what the profile declares defaults for; which of them a container gets is left to chance.
	FindingIDLimitDefaultsOverridden FindingID = "LimitDefaultsOverridden"
	// FindingIDPodSecurityExempt means that the API server is configured to exempt the namespace
	// from Pod Security: its labels do nothing (KEP-2579).
	FindingIDPodSecurityExempt FindingID = "PodSecurityExempt"
	// FindingIDPodSecurityOutdated means that the enforced version of the Pod Security level is so
	// old that it lacks checks that the level has by now.
	FindingIDPodSecurityOutdated FindingID = "PodSecurityOutdated"
	// FindingIDPodSecurityViolated means that a pod that runs now violates the declared Pod
	// Security level (CIS 5.2).
	FindingIDPodSecurityViolated FindingID = "PodSecurityViolated"
	// FindingIDObjectInProtectedNamespace means that an object in a protected namespace bears the
	// profile's label: somebody copies what Bulwark makes. It is left alone. It is counted in the
	// status of the profile, and in no report.
	FindingIDObjectInProtectedNamespace FindingID = "ObjectInProtectedNamespace"
	// FindingIDWorkloadRuleViolated means that a pod that runs now breaks a rule of spec.workloads
	// or spec.images: where the rule denies, another like it is refused.
	FindingIDWorkloadRuleViolated FindingID = "WorkloadRuleViolated"
	// FindingIDQuotaExceeded means that more is used than a ResourceQuota of the baseline grants:
	// it was there before the quota was, or came when the quota had to make room for the baseline
	// itself.
	FindingIDQuotaExceeded FindingID = "QuotaExceeded"
	// FindingIDQuotaCountsBaseline means that a ResourceQuota of another maker counts what the
	// baseline consists of, or the report on it: where it has no room, it keeps that out.
	FindingIDQuotaCountsBaseline FindingID = "QuotaCountsBaseline"
	// FindingIDPodSecurityLabelSync means that OpenShift's label syncer sets the namespace's Pod
	// Security labels beside the profile: the namespace asks it to, or it was seen to change them.
	FindingIDPodSecurityLabelSync FindingID = "PodSecurityLabelSync"
	// FindingIDWebhookUnreachable means that the API server calls a Service of the namespace, for a
	// webhook or an aggregated API, and that the baseline closes ingress to it.
	FindingIDWebhookUnreachable FindingID = "WebhookUnreachable"
	// FindingIDWorkloadNotAdmitted means that pods of a workload do not come, since a part of the
	// baseline refuses them.
	FindingIDWorkloadNotAdmitted FindingID = "WorkloadNotAdmitted"
	// FindingIDForbiddenRulesBound means that a ClusterRole that the profile binds permits what a
	// profile must not grant: it was widened since, or an administrator lets profiles bind it.
	FindingIDForbiddenRulesBound FindingID = "ForbiddenRulesBound"
	// FindingIDObjectTooLarge means that a NetworkPolicy, or an object that bears Bulwark's label,
	// is many times as large as any that people write: whoever watches such objects holds them in
	// memory.
	FindingIDObjectTooLarge FindingID = "ObjectTooLarge"
	// FindingIDTooManyObjects means that more objects of the namespace bear Bulwark's label,
	// without being declared, than Bulwark keeps in view.
	FindingIDTooManyObjects FindingID = "TooManyObjects"
)

// Severity is how grave a finding is. Later releases may add values: clients have to tolerate those
// that they do not know.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]*$`
type Severity string

const (
	// SeverityCritical gives whoever has it the namespace.
	SeverityCritical Severity = "Critical"
	// SeverityHigh undoes a part of the baseline for everybody.
	SeverityHigh Severity = "High"
	// SeverityMedium undoes a part of the baseline for some, or might.
	SeverityMedium Severity = "Medium"
	// SeverityLow is against good practice.
	SeverityLow Severity = "Low"
)

// Findings say what to look for that weakens the baseline.
type Findings struct {
	// mode is Report, the default, or Disabled.
	// +optional
	Mode FindingsMode `json:"mode,omitempty"`
	// ignore are findings that are not looked for.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:Enum=NetworkReopened;PrivilegedBinding;BroadBinding;TokenMountedByDefault;LimitDefaultsOverridden;PodSecurityExempt;PodSecurityOutdated;PodSecurityViolated;WorkloadRuleViolated;ObjectInProtectedNamespace;PodSecurityLabelSync;WebhookUnreachable;WorkloadNotAdmitted;QuotaExceeded;ForbiddenRulesBound;QuotaCountsBaseline;ObjectTooLarge;TooManyObjects
	// +listType=set
	// +optional
	Ignore []FindingID `json:"ignore,omitempty"`
}

// Finding is something that Bulwark does not own and that weakens the baseline. It is reported and
// never touched.
type Finding struct {
	// id says what it is.
	// +required
	ID FindingID `json:"id"`
	// severity is Critical, High, Medium or Low.
	// +required
	Severity Severity `json:"severity"`
	// object is what weakens the baseline.
	// +required
	Object ObjectReference `json:"object"`
	// message says in which way.
	// +kubebuilder:validation:MaxLength=1025
	// +required
	Message string `json:"message"`
	// remedy says what can be done about it.
	// +kubebuilder:validation:MaxLength=512
	// +required
	Remedy string `json:"remedy"`
}

// FindingTotal counts the findings of one kind and severity.
type FindingTotal struct {
	// id says what they are.
	// +required
	ID FindingID `json:"id"`
	// severity is Critical, High, Medium or Low.
	// +required
	Severity Severity `json:"severity"`
	// count is how many there are.
	// +kubebuilder:validation:Minimum=0
	// +required
	Count int32 `json:"count"`
}

// BlockedObject is an object of the baseline that waits, since it would refuse what runs in the
// namespace.
type BlockedObject struct {
	// object is the object that waits.
	// +required
	Object ObjectReference `json:"object"`
	// message says what it would break.
	// +kubebuilder:validation:MaxLength=1025
	// +required
	Message string `json:"message"`
	// violators are the names of the first pods that it would refuse, at most 16.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	// +optional
	Violators []string `json:"violators,omitempty"`
	// violatorsTotal is how many pods it would refuse; of more pods than were looked at it is a
	// lower bound.
	// +kubebuilder:validation:Minimum=0
	// +optional
	ViolatorsTotal int64 `json:"violatorsTotal,omitempty"`
}

// ObjectContent is an object and what it holds.
type ObjectContent struct {
	// object is the object.
	// +required
	Object ObjectReference `json:"object"`
	// content is its content, as JSON: the enforced Pod Security labels of a Namespace, the spec of
	// a LimitRange or ResourceQuota; of an admission policy the rules for pods that are in force in
	// the namespace.
	// +kubebuilder:validation:MaxLength=16384
	// +required
	Content string `json:"content"`
}
