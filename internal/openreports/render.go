// Package openreports knows how a NamespacePosture reads as a Report of openreports.io, which
// policy-reporter and other dashboards show. It is pure: it may import the API and that of
// OpenReports, and must never talk to a cluster; internal/openreports/publish does.
package openreports

import (
	"fmt"
	"slices"
	"strings"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The results that a Report can hold, as openreports.io names them.
const (
	pass    reportsv1alpha1.Result = "pass"
	fail    reportsv1alpha1.Result = "fail"
	warn    reportsv1alpha1.Result = "warn"
	failure reportsv1alpha1.Result = "error"
	skip    reportsv1alpha1.Result = "skip"
)

// The categories of results.
const (
	categoryBaseline = "Baseline"
	categoryFinding  = "Finding"
	categoryReport   = "Report"
)

// Render is the Report that says what a NamespacePosture says. The same posture always gives the
// same Report: what bounds the one bounds the other, and no time is in it but that at which a drift
// was first seen.
func Render(posture *v1alpha1.NamespacePosture) *reportsv1alpha1.Report {
	report := &reportsv1alpha1.Report{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: posture.Namespace,
			Name:      v1alpha1.ReportName,
			Labels:    map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: posture.Profile},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "NamespacePosture", Name: posture.Name, UID: posture.UID,
			}},
		},
		Source: v1alpha1.ManagedBy,
		Scope: &corev1.ObjectReference{
			APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Namespace", Name: posture.Namespace,
		},
		Summary: summary(posture),
	}
	if posture.Stalled() != "" {
		report.Results = append(report.Results, reportsv1alpha1.ReportResult{
			Source: v1alpha1.ManagedBy, Policy: "report/stalled", Category: categoryReport,
			Result: failure, Scored: true, Description: posture.Stalled(),
		})
	}
	for i := range posture.Objects {
		report.Results = append(report.Results, objectResult(posture, &posture.Objects[i]))
	}
	for i := range posture.Findings {
		report.Results = append(report.Results, findingResult(posture, &posture.Findings[i]))
	}
	tellApart(report.Results)
	if posture.Truncated > 0 {
		report.Results = append(report.Results, reportsv1alpha1.ReportResult{
			Source: v1alpha1.ManagedBy, Policy: "report/truncated", Category: categoryReport, Result: skip,
			Description: fmt.Sprintf("the report on this namespace leaves out %d entries, so that it fits into one object; "+
				"the summary counts them", posture.Truncated),
		})
	}
	return report
}

// summary counts all that there is, also what the lists leave out.
func summary(posture *v1alpha1.NamespacePosture) reportsv1alpha1.ReportSummary {
	s := reportsv1alpha1.ReportSummary{
		Pass:  int(posture.Summary.Compliant),
		Fail:  int(posture.Summary.Drifted) + int(posture.Summary.Conflicted) + int(posture.Summary.Uncounted),
		Warn:  int(posture.Summary.Blocked),
		Error: int(posture.Summary.Failed),
	}
	for _, t := range posture.FindingTotals {
		s.Fail += int(t.Count)
	}
	if posture.Truncated > 0 {
		s.Skip = 1
	}
	if posture.Stalled() != "" {
		s.Error++
	}
	return s
}

// objectResult is the result on one object of the baseline.
func objectResult(posture *v1alpha1.NamespacePosture, object *v1alpha1.ManagedObject) reportsv1alpha1.ReportResult {
	result := reportsv1alpha1.ReportResult{
		Source:      v1alpha1.ManagedBy, // Readers take the source from here, not from the report.
		Policy:      "baseline/" + object.Kind,
		Rule:        object.Name,
		Category:    categoryBaseline,
		Result:      resultOf(object.State),
		Scored:      object.State != v1alpha1.ObjectStateBlocked,
		Subjects:    subject(posture, object.ObjectReference),
		Description: object.Message,
	}
	if object.State == v1alpha1.ObjectStateCompliant {
		result.Description = "the object is as declared"
		return result
	}
	result.Properties = map[string]string{"state": string(object.State), "enforcement": string(posture.Enforcement)}
	if object.State == v1alpha1.ObjectStateBlocked {
		for _, blocked := range posture.Blocked {
			if blocked.Object == object.ObjectReference {
				result.Description = blocked.Message
			}
		}
	}
	if entry := openDrift(posture, object.ObjectReference); entry != nil {
		describe(&result, entry)
	}
	if result.Description == "" {
		result.Description = "the object is " + string(object.State)
	}
	return result
}

// resultOf is what the state of an object comes to.
func resultOf(state v1alpha1.ObjectState) reportsv1alpha1.Result {
	switch state {
	case v1alpha1.ObjectStateCompliant:
		return pass
	case v1alpha1.ObjectStateBlocked:
		return warn
	case v1alpha1.ObjectStateFailed:
		return failure
	}
	return fail
}

// openDrift is the newest drift of an object that is still there, if the history holds it.
func openDrift(posture *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference) *v1alpha1.DriftEntry {
	for i := range posture.Drift {
		if e := &posture.Drift[i]; e.Object == object && e.State != v1alpha1.DriftStateCorrected {
			return e
		}
	}
	return nil
}

// describe adds what is known of a drift: in which fields, by whom, and since when. Readers take a
// result with a time for news only if it is later than their own start, so that this is the one
// time that a result has: when the drift was first seen.
func describe(result *reportsv1alpha1.ReportResult, entry *v1alpha1.DriftEntry) {
	result.Timestamp = metav1.Timestamp{Seconds: entry.ObservedAt.Unix()}
	result.Properties["change"] = string(entry.Change)
	if entry.Manager != "" {
		result.Properties["manager"] = entry.Manager
	}
	var paths []string
	for _, f := range entry.Fields {
		paths = append(paths, f.Path)
	}
	if len(paths) > 0 {
		result.Properties["fields"] = strings.Join(paths, ", ")
	}
}

// findingResult is the result on what weakens the baseline.
func findingResult(posture *v1alpha1.NamespacePosture, finding *v1alpha1.Finding) reportsv1alpha1.ReportResult {
	return reportsv1alpha1.ReportResult{
		Source:      v1alpha1.ManagedBy,
		Policy:      string(finding.ID),
		Rule:        finding.Object.Kind + "/" + finding.Object.Name, // Readers tell results apart by policy and rule.
		Category:    categoryFinding,
		Severity:    reportsv1alpha1.ResultSeverity(strings.ToLower(string(finding.Severity))),
		Result:      fail,
		Scored:      true,
		Subjects:    subject(posture, finding.Object),
		Description: finding.Message,
		Properties:  map[string]string{"remedy": finding.Remedy},
	}
}

// clusterScoped are the kinds of a report's objects that no namespace holds.
var clusterScoped = []string{
	"Namespace",
	"ValidatingWebhookConfiguration",
	"MutatingWebhookConfiguration",
	"APIService",
	"CustomResourceDefinition",
}

// subject is an object of the namespace, the namespace itself, or what concerns it.
func subject(posture *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference) []corev1.ObjectReference {
	reference := corev1.ObjectReference{APIVersion: object.APIVersion, Kind: object.Kind, Name: object.Name}
	if !slices.Contains(clusterScoped, object.Kind) {
		reference.Namespace = posture.Namespace
	}
	return []corev1.ObjectReference{reference}
}
