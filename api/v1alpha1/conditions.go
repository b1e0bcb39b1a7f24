package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The condition types of a SecurityProfile, as kstatus reads them. A NamespacePosture has Ready and
// Stalled.
const (
	// ConditionReady is True when the profile has been carried out in every namespace that it
	// governs: with Enforce every object is in place, with Audit every namespace has a report of
	// this generation. Of a NamespacePosture it is True when every object of the baseline is in
	// place, but for those that wait.
	ConditionReady = "Ready"
	// ConditionCompliant is True when every governed namespace holds exactly what the profile
	// declares, and nothing weakens it.
	ConditionCompliant = "Compliant"
	// ConditionReconciling is True while a roll-out is under way, and absent otherwise.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the roll-out cannot finish without somebody's help, and absent
	// otherwise. Of a NamespacePosture it is True when the profile cannot be carried out.
	ConditionStalled = "Stalled"
	// ConditionPublished is True when reports are also written as Reports of openreports.io, False
	// when they should be and cannot, and absent when they should not. It does not bear on whether
	// the profile is Ready.
	ConditionPublished = "ReportsPublished"
	// ConditionAdmission is True when the profile's admission policies are in force, False when
	// they are not, are contested, or are said to be faulty, and absent when the profile declares
	// none. Policies that could not be put in force keep the profile from being Ready.
	ConditionAdmission = "AdmissionReady"
)

// The reasons of these conditions.
const (
	// ReasonInPlace: the baseline is in place in every governed namespace.
	ReasonInPlace = "BaselineInPlace"
	// ReasonAudited: every governed namespace has been evaluated.
	ReasonAudited = "Audited"
	// ReasonProgressing: some governed namespaces have no report of this generation yet, or await a
	// correction.
	ReasonProgressing = "Progressing"
	// ReasonFailed: the API server refused an object of the baseline.
	ReasonFailed = "ApplyFailed"
	// ReasonConflicted: an object that Bulwark did not make bears a managed name.
	ReasonConflicted = "ObjectConflict"
	// ReasonInvalid: the profile's spec cannot be carried out at all.
	ReasonInvalid = "InvalidSpec"
	// ReasonContestedObjects: others keep changing objects of the baseline back, or making objects
	// that bear Bulwark's labels.
	ReasonContestedObjects = "Contested"
	// ReasonPermissionsLost: the profile is being deleted, and the operator has lost the
	// permissions to end that.
	ReasonPermissionsLost = "PermissionsLost"
	// ReasonDrifted: an object of the baseline is missing or differs.
	ReasonDrifted = "Drifted"
	// ReasonUncounted: Kubernetes has not counted a ResourceQuota, so that it holds nobody.
	ReasonUncounted = "QuotasNotCounted"
	// ReasonBlocked: an object of the baseline waits, since it would refuse what runs in the
	// namespace.
	ReasonBlocked = "RolloutBlocked"
	// ReasonWeakened: something that Bulwark does not own weakens the baseline.
	ReasonWeakened = "Weakened"
	// ReasonCompliant: every governed namespace holds exactly what is declared.
	ReasonCompliant = "Compliant"

	// ReasonInForce: the admission policies are as declared.
	ReasonInForce = "PoliciesInForce"
	// ReasonLooking: rules for pods wait until every namespace has been looked at (spec.rollout:
	// WhenSafe).
	ReasonLooking = "LookingAtPods"
	// ReasonContested: another manager keeps changing an admission policy back.
	ReasonContested = "PoliciesContested"
	// ReasonTypeWarnings: kube-controller-manager warns of an expression of an admission policy.
	ReasonTypeWarnings = "TypeCheckWarnings"
	// ReasonTooCostly: to judge the largest pods costs more than the API server spends, so that it
	// would refuse them.
	ReasonTooCostly = "PoliciesTooCostly"

	// ReasonPublishing: each report is also written as a Report of openreports.io.
	ReasonPublishing = "Publishing"
	// ReasonNotInstalled: the API server does not know the Reports of openreports.io.
	ReasonNotInstalled = "OpenReportsNotInstalled"
	// ReasonForbidden: the operator may not write Reports of openreports.io.
	ReasonForbidden = "OpenReportsForbidden"
	// ReasonPublishingFailed: Reports of openreports.io could not be read.
	ReasonPublishingFailed = "PublishingFailed"
)

// The reasons of events on a SecurityProfile and on a Namespace.
const (
	// EventDrift: an object departed from the baseline.
	EventDrift = "DriftDetected"
	// EventCorrected: a drift was corrected.
	EventCorrected = "DriftCorrected"
	// EventContested: another manager keeps changing the object back, or making it again;
	// corrections wait.
	EventContested = "DriftContested"
	// EventMutated: a mutating webhook or admission policy changes what Bulwark writes.
	EventMutated = "ChangedByAdmission"
	// EventRemoved: an object that bears Bulwark's labels and is not, or no longer, declared was
	// removed.
	EventRemoved = "ObjectRemoved"
	// EventProtected: an object in a protected namespace bears Bulwark's labels; it is left alone.
	EventProtected = "ObjectInProtectedNamespace"
	// EventConflict: an object that Bulwark did not make bears a managed name.
	EventConflict = "ObjectConflict"
	// EventAdopted: an object that Bulwark did not make was taken over.
	EventAdopted = "ObjectAdopted"
	// EventReplaced: an object was deleted and made anew, because an immutable field changed.
	EventReplaced = "ObjectReplaced"
	// EventPutBack: an object was deleted to be made anew, the API server refused the new one after
	// all, and the old one was put back.
	EventPutBack = "ObjectPutBack"
	// EventFailed: the API server refused an object of the baseline.
	EventFailed = "ApplyFailed"
	// EventFinding: something that Bulwark does not own weakens the baseline.
	EventFinding = "BaselineWeakened"
	// EventBlocked: an object of the baseline waits, since it would refuse what runs in the
	// namespace.
	EventBlocked = "RolloutBlocked"
	// EventOpened: a ResourceQuota of the baseline was opened for a moment, since it kept another
	// part of the baseline out.
	EventOpened = "QuotaOpened"
	// EventBaselineRemoved: a baseline was taken away, since its profile no longer applies to the
	// namespace.
	EventBaselineRemoved = "BaselineRemoved"
	// EventBaselineRetained: a baseline was left behind, unmanaged, since its profile no longer
	// applies to the namespace.
	EventBaselineRetained = "BaselineRetained"
	// EventReportForged: somebody else wrote the report of a namespace; what it says is not
	// believed.
	EventReportForged = "ReportForged"
	// EventBreakGlass: somebody whom tamper protection does not hold changed what it guards.
	EventBreakGlass = "BreakGlassUsed"
	// EventInvalid: the spec of a profile cannot be carried out, and its status cannot say so, since
	// the API server refuses each write of a profile that was stored in a former form.
	EventInvalid = "ProfileInvalid"
	// EventGuardedChanged: what tamper protection guards was changed, and it is not known by whom.
	EventGuardedChanged = "GuardedObjectChanged"
)

// IsReady reports whether the condition Ready of a report is True.
func (p *NamespacePosture) IsReady() bool {
	return meta.IsStatusConditionTrue(p.Status.Conditions, ConditionReady)
}

// Stalled is why the profile cannot be carried out that governs the namespace of a report; empty if
// it can.
func (p *NamespacePosture) Stalled() string {
	condition := meta.FindStatusCondition(p.Status.Conditions, ConditionStalled)
	if condition == nil || condition.Status != metav1.ConditionTrue {
		return ""
	}
	return condition.Message
}
