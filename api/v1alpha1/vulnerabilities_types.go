package v1alpha1

import (
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Vulnerabilities say what the reports of scanners may hold of an image. The command `kubectl
// posture check --scan-report` judges them, in the namespaces that the profile governs. In the
// cluster nothing becomes of them: the operator reads no report, the API server has none to ask,
// and a change of this section writes nothing.
//
// +kubebuilder:validation:XValidation:rule="has(self.maxSeverity) || has(self.maxCounts)",message="vulnerabilities must set maxSeverity or maxCounts"
type Vulnerabilities struct {
	// action is what a check says of an image that breaks a rule of this section: Deny, the
	// default, or Warn. With enforcement Audit it is Warn.
	// +optional
	Action VulnerabilityAction `json:"action,omitempty"`
	// maxSeverity is the gravest severity that a vulnerability, a misconfiguration or a secret may
	// have: High, Medium, Low or None. One of which the scanner knows no severity is warned of, and
	// denied if it is None.
	// +optional
	MaxSeverity MaxSeverity `json:"maxSeverity,omitempty"`
	// maxCounts are how many vulnerabilities of each severity an image may have. A severity that is
	// absent is not counted. One in several packages is one, and one that is accepted is none.
	// +optional
	MaxCounts *VulnerabilityCounts `json:"maxCounts,omitempty"`
	// unfixed is Judge, the default, or Ignore, which leaves vulnerabilities out for which there is
	// no fixed version.
	// +optional
	Unfixed UnfixedVulnerabilities `json:"unfixed,omitempty"`
	// fixedFor is how long a fix may have been there before its absence counts, such as 168h. None
	// by default. It begins when the report says that the fix came, or else when the vulnerability
	// was published; where a report says neither, it counts at once.
	// +optional
	FixedFor Period `json:"fixedFor,omitempty"`
	// maxReportAge is how old a report may be, such as 168h. Any age by default. A report that does
	// not say when it was made is too old.
	// +optional
	MaxReportAge Period `json:"maxReportAge,omitempty"`
	// accepted are vulnerabilities, misconfigurations and secrets that do not count.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=id
	// +optional
	Accepted []AcceptedVulnerability `json:"accepted,omitempty"`
}

// Period is a length of time in hours, minutes and seconds, such as 168h.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$`
type Period string

// Duration is the period as a duration. One that is absent is none.
func (p Period) Duration() time.Duration {
	d, err := time.ParseDuration(string(p))
	if err != nil {
		return 0 // The schema has refused whatever else there is.
	}
	return d
}

// VulnerabilityAction is what a check says of an image that breaks a rule.
//
// +kubebuilder:validation:Enum=Deny;Warn
type VulnerabilityAction string

const (
	// VulnerabilityActionDeny fails the check.
	VulnerabilityActionDeny VulnerabilityAction = "Deny"
	// VulnerabilityActionWarn reports it.
	VulnerabilityActionWarn VulnerabilityAction = "Warn"
)

// MaxSeverity is the gravest severity that may be.
//
// +kubebuilder:validation:Enum=None;Low;Medium;High
type MaxSeverity string

const (
	// MaxSeverityNone allows nothing.
	MaxSeverityNone MaxSeverity = "None"
	// MaxSeverityLow allows Low, and what scanners call negligible.
	MaxSeverityLow MaxSeverity = "Low"
	// MaxSeverityMedium allows Medium and Low.
	MaxSeverityMedium MaxSeverity = "Medium"
	// MaxSeverityHigh allows all but Critical.
	MaxSeverityHigh MaxSeverity = "High"
)

// UnfixedVulnerabilities says what to do with vulnerabilities for which there is no fixed version.
//
// +kubebuilder:validation:Enum=Judge;Ignore
type UnfixedVulnerabilities string

const (
	// UnfixedVulnerabilitiesJudge judges them like others.
	UnfixedVulnerabilitiesJudge UnfixedVulnerabilities = "Judge"
	// UnfixedVulnerabilitiesIgnore leaves them out.
	UnfixedVulnerabilitiesIgnore UnfixedVulnerabilities = "Ignore"
)

// VulnerabilityCounts are numbers of vulnerabilities by their severity.
//
// +kubebuilder:validation:MinProperties=1
type VulnerabilityCounts struct {
	// critical is how many there may be of severity Critical.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	Critical *int32 `json:"critical,omitempty"`
	// high is how many there may be of severity High.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	High *int32 `json:"high,omitempty"`
	// medium is how many there may be of severity Medium.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	Medium *int32 `json:"medium,omitempty"`
	// low is how many there may be of severity Low, and of what scanners call negligible.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	Low *int32 `json:"low,omitempty"`
	// unknown is how many there may be of which the scanner knows no severity.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	Unknown *int32 `json:"unknown,omitempty"`
}

// AcceptedVulnerability is what does not count, why, and until when.
type AcceptedVulnerability struct {
	// id names it as scanners do, or by another of its names: CVE-2026-1234, GHSA-…, DS-0002.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][-A-Za-z0-9._:]*$`
	// +required
	ID string `json:"id"`
	// reason says why it is accepted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Reason string `json:"reason"`
	// expires is when it counts again.
	// +required
	Expires metav1.Time `json:"expires"`
}

// EffectiveVulnerabilityAction is what a check says of an image that breaks a rule of
// spec.images.vulnerabilities.
func (p *SecurityProfile) EffectiveVulnerabilityAction() VulnerabilityAction {
	if p.EffectiveEnforcement() == EnforcementAudit {
		return VulnerabilityActionWarn
	}
	if im := p.Spec.Images; im != nil && im.Vulnerabilities != nil && im.Vulnerabilities.Action != "" {
		return im.Vulnerabilities.Action
	}
	return VulnerabilityActionDeny
}

// JudgesPods reports whether there is a rule that the API server asks of pods.
func (im *Images) JudgesPods() bool {
	rules := *im
	rules.Action, rules.Vulnerabilities, rules.Except = "", nil, nil
	return !reflect.DeepEqual(rules, Images{})
}
