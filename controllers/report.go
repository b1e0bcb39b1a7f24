package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// undeleted begins the message on an object that should not be there, and that the API server refuses to delete: it is in place.
const undeleted = "cannot be deleted: "

// assemble makes the report on a namespace of what the pass found and did. It is a pure function, and given its own result
// and no outcome that is new, it returns the same report.
func assemble(p *pass, desired []baseline.Object, outcomes []drift.Outcome, now time.Time) *v1alpha1.NamespacePosture {
	report := &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       p.namespace.Name,
			Name:            v1alpha1.PostureName,
			Labels:          map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: p.profile.Name},
			OwnerReferences: baseline.Owner(p.profile),
		},
		Profile:           p.profile.Name,
		NamespaceUID:      p.namespace.UID,
		ProfileGeneration: p.profile.Generation,
		Enforcement:       p.profile.EffectiveEnforcement(),
	}
	for _, want := range desired {
		report.Objects = append(report.Objects, p.contestedOr(p.blockedOr(managedObject(baseline.Reference(want), outcomes))))
	}
	for _, o := range outcomes {
		if o.Change == v1alpha1.Unexpected && o.State != v1alpha1.Corrected {
			report.Objects = append(report.Objects, p.contestedOr(managedObject(o.Object, outcomes)))
		}
	}
	report.Objects = append(report.Objects, p.contestedCopies(report.Objects)...)
	for _, o := range report.Objects {
		count(&report.Summary, o.State)
		report.Summary.Contested += contestedCount(o)
	}
	// What is copied again and again does not take away what is in place.
	beyond := contestedBeyond(report.Objects[len(desired):])
	report.Ready = int(report.Summary.Compliant+report.Summary.Blocked+beyond) == len(report.Objects)
	report.Objects = firstOf(report, report.Objects, v1alpha1.MaxObjects)
	report.Blocked = firstOf(report, p.blocked, v1alpha1.MaxBlocked)
	report.InPlace = p.remember(desired, outcomes)
	var added int
	report.Drift, added = recordDrift(p, outcomes, now)
	report.DriftTotal = int64(added)
	if p.previous != nil {
		report.DriftTotal = posture.Add(report.DriftTotal, p.previous.DriftTotal)
	}
	return report
}

// firstOf cuts a list, and counts what the report leaves out by that.
func firstOf[T any](report *v1alpha1.NamespacePosture, list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	report.Truncated += int64(len(list) - most)
	return list[:most]
}

// setFindings sets what weakens the baseline.
func setFindings(report *v1alpha1.NamespacePosture, w *weakness) {
	report.FindingTotals, report.PodsUnseen = w.totals, w.podsUnseen
	report.Summary.Findings = total(w.totals)
	report.Findings = w.found[:min(len(w.found), v1alpha1.MaxFindings)]
	report.Truncated += max(0, int64(report.Summary.Findings)-int64(len(report.Findings)))
}

func total(totals []v1alpha1.FindingTotal) int32 {
	var n int32
	for _, t := range totals {
		n += t.Count
	}
	return n
}

const maxReportBytes = posture.MaxReportBytes

// fit cuts a report that is too large for one object, from the end of its longest lists, so that the same report is always cut in the
// same way: first the history, then the messages on objects, then the findings.
func fit(report *v1alpha1.NamespacePosture) {
	excess := report.Size() - maxReportBytes
	for i := len(report.Drift) - 1; i >= 0 && excess > 0; i-- {
		excess -= report.Drift[i].Size()
		report.Drift = report.Drift[:i]
	}
	for i := len(report.Objects) - 1; i >= 0 && excess > 0; i-- {
		kept := ""
		if strings.HasPrefix(report.Objects[i].Message, undeleted) {
			kept = undeleted
		}
		if n := len(report.Objects[i].Message) - len(kept); n > 0 {
			excess -= n
			report.Objects[i].Message = kept
			report.Truncated++
		}
	}
	for i := len(report.Findings) - 1; i >= 0 && excess > 0; i-- {
		excess -= report.Findings[i].Size()
		report.Findings = report.Findings[:i]
		report.Truncated++
	}
}

// blockedOr is an object that waits, if it does and what is in its place is as it should be.
func (p *pass) blockedOr(o v1alpha1.ManagedObject) v1alpha1.ManagedObject {
	if !p.holds(o.ObjectReference) || o.State != v1alpha1.ObjectCompliant {
		return o
	}
	o.State = v1alpha1.ObjectBlocked
	o.Message = "waits, since it would refuse what runs here: see blocked"
	return o
}

// managedObject is the state of one object after the pass.
func managedObject(ref v1alpha1.ObjectReference, outcomes []drift.Outcome) v1alpha1.ManagedObject {
	object := v1alpha1.ManagedObject{ObjectReference: ref, State: v1alpha1.ObjectCompliant}
	i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref })
	if i < 0 {
		return object
	}
	switch o := outcomes[i]; o.State {
	case v1alpha1.Conflict:
		object.State = v1alpha1.ObjectConflict
		object.Message = "an object of this name exists that Bulwark did not make; delete or rename it, or set spec.adoption to Adopt"
	case v1alpha1.Contested:
		object.State = v1alpha1.ObjectDrifted
		object.Message = contention.ContestedBy + drift.ManagerName(o.By.Manager) + ": corrections wait with a growing delay"
	case v1alpha1.Present:
		object.State, object.Message = v1alpha1.ObjectDrifted, string(o.Change)
		if len(o.Mutated) > 0 {
			object.Message = mutationSentence(o.Mutated)
		}
		if o.Standing != "" {
			object.State, object.Message = v1alpha1.ObjectFailed, o.Standing
		}
		if o.Err != nil {
			object.State, object.Message = v1alpha1.ObjectFailed, printable.Message(o.Err.Error())+cmp.Or(o.Hint, remedy(o.Want, o.Err))
			if o.Change == v1alpha1.Unexpected {
				object.Message = printable.Message(undeleted + o.Err.Error())
			}
		}
	}
	return object
}

// remedy is what a cluster's administrator can do about a refusal, where there is something to say beyond the API server's words.
func remedy(want baseline.Object, err error) string {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota") {
		return "; remedy: raise the quota that counts these objects"
	}
	if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
		return ""
	}
	switch o := want.(type) {
	case *rbacv1.Role:
		return "; remedy: to let profiles grant these rules, label a ClusterRole that holds them " +
			v1alpha1.AggregateToGrantableLabel + "=true"
	case *rbacv1.RoleBinding:
		if o.RoleRef.Kind == "Role" {
			return "; remedy: that of Role " + o.RoleRef.Name + ", which this binds"
		}
		return "; remedy: to let profiles bind this role, make sure that it exists, and label " +
			v1alpha1.AggregateToGrantableLabel + "=true a ClusterRole that permits the verb bind on it in " + rbacv1.GroupName
	}
	return ""
}

func count(summary *v1alpha1.PostureSummary, state v1alpha1.ObjectState) {
	posture.Count(summary, state)
}

// recordDrift is the history with this pass's drifts added, newest first, and how many of them are new. An open entry whose
// drift is found again stays the same entry; one whose drift is gone is closed.
func recordDrift(p *pass, outcomes []drift.Outcome, now time.Time) ([]v1alpha1.DriftEntry, int) {
	var entries []v1alpha1.DriftEntry
	known := map[int]bool{}
	for _, entry := range p.history() {
		if entry.State != v1alpha1.Corrected {
			i := continuing(outcomes, known, entry)
			switch {
			case i >= 0:
				known[i] = true
				outcomes[i].GoOn(&entry)
			case !p.staysOpen(entry, outcomes):
				entry.State = v1alpha1.Corrected
			}
		}
		entries = append(entries, entry)
	}
	var added []v1alpha1.DriftEntry
	for i, o := range outcomes {
		if !o.Recorded || known[i] || p.lasts(o) || o.State == v1alpha1.Contested && contestedEntries(entries, o.Object) >= contention.MaxManagers {
			continue
		}
		added = append(added, o.Entry(p.namespace.Name, now))
	}
	entries = append(added, entries...)
	return entries[:min(len(entries), v1alpha1.MaxDrift)], len(added)
}

// continuing is the first of the outcomes that are not known yet that is the same drift as an entry; -1 if none is.
func continuing(outcomes []drift.Outcome, known map[int]bool, entry v1alpha1.DriftEntry) int {
	for i := range outcomes {
		if !known[i] && outcomes[i].Continues(entry) {
			return i
		}
	}
	return -1
}

// history is the drift that the last report holds.
func (p *pass) history() []v1alpha1.DriftEntry {
	if p.previous == nil {
		return nil
	}
	return posture.PrintableHistory(p.previous.Drift)
}

// lasts reports whether a drift that is still there was recorded before, in an entry that the bound on the history has cut off
// since: by the state in which the last report holds the object. Otherwise more lasting drifts than the history holds
// would push each other out of it for ever.
func (p *pass) lasts(o drift.Outcome) bool {
	if o.State == v1alpha1.Corrected || !p.current() || int(p.previous.DriftTotal) <= len(p.previous.Drift) {
		return false
	}
	state, known := p.reported(o.Object)
	if !known {
		return o.Change == v1alpha1.Unexpected && len(p.previous.Objects) == v1alpha1.MaxObjects
	}
	inHistory := slices.ContainsFunc(p.previous.Drift, func(e v1alpha1.DriftEntry) bool { return e.Object == o.Object })
	return !inHistory && state != v1alpha1.ObjectCompliant
}

// writeReport writes the report if it says anything new.
func (r *NamespaceReconciler) writeReport(ctx context.Context, previous, report *v1alpha1.NamespacePosture) error {
	r.reports.Seal(report)
	if previous == nil || isEnding(previous) || reportmemory.IsRecalled(previous) { // What it remembers is in the report.
		if err := r.Client.Create(ctx, report); err != nil {
			return ignoreTerminating(fmt.Errorf("creating the report of namespace %s: %w", report.Namespace, err))
		}
		r.reports.Keep(report.Namespace)
		return nil
	}
	report.UID, report.ResourceVersion = previous.UID, previous.ResourceVersion
	keepMetadata(report, previous)
	if r.reports.Wrote(previous) && sameReport(previous, report) {
		r.reports.Keep(report.Namespace)
		return nil
	}
	if err := r.Client.Update(ctx, report); err != nil {
		return ignoreTerminating(fmt.Errorf("updating the report of namespace %s: %w", report.Namespace, err))
	}
	r.reports.Keep(report.Namespace)
	return nil
}

// keepMetadata keeps the labels and annotations that others have put on a report: to strip them would be a fight.
func keepMetadata(report, previous *v1alpha1.NamespacePosture) {
	labels := maps.Clone(previous.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, report.Labels)
	report.Labels, report.Annotations = labels, previous.Annotations
}

// sameReport compares two reports in all that assemble sets.
func sameReport(a, b *v1alpha1.NamespacePosture) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, report := range []*v1alpha1.NamespacePosture{a, b} {
		report.TypeMeta, report.Seal = metav1.TypeMeta{}, ""
		report.ObjectMeta = metav1.ObjectMeta{
			Labels: report.Labels, OwnerReferences: report.OwnerReferences,
			Annotations: report.Annotations, Finalizers: report.Finalizers,
		}
	}
	return equality.Semantic.DeepEqual(a, b)
}

func ignoreTerminating(err error) error {
	if isTerminating(err) || errors.Is(err, errTerminating) {
		return nil
	}
	return err
}
