package release

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// isCopy reports whether an object that bears a profile's label was never a part of the baseline
// that is released here, by the last report: somebody copied it from another namespace, restored
// it, or wrote the label on it. No object of the profile that joined without a report is a copy.
func isCopy(report *v1alpha1.NamespacePosture, o baseline.Object, unreported string) bool {
	return !posture.MemoryOf(report).WasInPlace(o) && (unreported == "" || profileOf(o) != unreported)
}

// joinedWithoutReport is the profile whose baseline, or a part of it, is in a namespace that has no
// report yet; empty if there is none. The namespace's label alone does not tell it, since anybody
// may write that: Bulwark must have set it.
func (r *releasing) joinedWithoutReport(ctx context.Context) (string, error) {
	if r.report != nil || !baseline.IsLabelled(r.ns) {
		return "", nil
	}
	managedFields, err := inventory.ManagedFields(ctx, r.Live, r.ns)
	if err != nil || !takeover.SetByBulwark(managedFields, v1alpha1.ProfileLabel) {
		return "", client.IgnoreNotFound(err)
	}
	return profileOf(r.ns), nil
}

// waits reports whether the removal of a copy must wait, since somebody makes it again each time.
func (r *releasing) waits(o baseline.Object) bool {
	wait := r.Contests.Wait(r.ns.Name, asUnexpected(o), r.Clock.Now())
	if wait > 0 {
		r.Deferred.Note(r.ns.Name, wait)
	}
	return wait > 0
}

// asUnexpected is the drift that an object is which should not be there.
func asUnexpected(o baseline.Object) *drift.Drift {
	return &drift.Drift{Object: baseline.Reference(o), Change: v1alpha1.DriftChangeUnexpected, Got: o}
}

// traceRelease notes of a copy that was released, in a namespace that its profile does not govern,
// what has become of it and why.
func (r *releasing) traceRelease(ctx context.Context, o baseline.Object, profile *v1alpha1.SecurityProfile) {
	d, by := asUnexpected(o), drift.Attribute(o.GetManagedFields(), nil).Manager
	done := "it was deleted"
	switch {
	case retains(profile):
		done = "it was left without that label"
	case baseline.BelongsToNamespace(o):
		done = "that label was taken off"
	}
	logf.FromContext(ctx).Info("Released what bore a profile's label",
		"namespace", r.ns.Name, "kind", d.Object.Kind, "name", d.Object.Name, "manager", by)
	r.warn(d.Object, v1alpha1.EventRemoved, "Release",
		fmt.Sprintf("%s %s bore the label of SecurityProfile %s, which does not govern this namespace: %s",
			d.Object.Kind, d.Object.Name, profileOf(o), done))
	if !r.Contests.Corrected(r.ns.Name, d, by, r.Clock.Now()) {
		return
	}
	contested := Contested{Kind: d.Object.Kind}
	if profile != nil { // Otherwise, whoever copies objects would choose the values of a metric's label.
		contested.Profile = profile.Name
	}
	r.told.Contested = append(r.told.Contested, contested)
	r.warn(
		d.Object,
		v1alpha1.EventContested,
		"Wait",
		fmt.Sprintf(
			"%s %s is %s",
			d.Object.Kind,
			d.Object.Name,
			contention.DisputeOf(d, by).Sentence(v1alpha1.ContestBackOff),
		),
	)
}

// warn notes a warning to the namespace.
func (r *releasing) warn(object v1alpha1.ObjectReference, reason, action, note string) {
	r.told.Notices = append(r.told.Notices, events.Addressed{
		Regarding: r.ns, Namespace: r.ns.Name, Notice: events.Notice{
			Object: object, Type: corev1.EventTypeWarning, Reason: reason, Action: action, Note: note,
		},
	})
}
