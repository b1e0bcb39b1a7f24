package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

// isCopy reports whether what bears a profile's label was never a part of the baseline that is
// released here, by the last report: somebody copied it from another namespace, restored it, or
// wrote the label on it. Of the profile that has made a baseline without a report yet, nothing is a
// copy.
func isCopy(report *v1alpha1.NamespacePosture, o baseline.Object, unreported string) bool {
	return !posture.MemoryOf(report).WasInPlace(o) && (unreported == "" || profileOf(o) != unreported)
}

// joinedWithoutReport is the profile of which a namespace holds a baseline, or the beginnings of
// one, that no report speaks of yet; empty if there is none. By its label alone it would be
// whichever profile somebody writes there: Bulwark must have set it.
func (r *NamespaceReconciler) joinedWithoutReport(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (string, error) {
	if report != nil || !baseline.IsLabelled(ns) {
		return "", nil
	}
	managedFields, err := inventory.ManagedFields(ctx, r.Live, ns)
	if err != nil || !takeover.SetByBulwark(managedFields, v1alpha1.ProfileLabel) {
		return "", client.IgnoreNotFound(err)
	}
	return profileOf(ns), nil
}

// waits reports whether the removal of a copy must wait, since somebody makes it again each time.
func (r *NamespaceReconciler) waits(namespace string, o baseline.Object) bool {
	wait := r.contests.Wait(namespace, asUnexpected(o), r.Clock.Now())
	if wait > 0 {
		r.deferredRemovals.Note(namespace, wait)
	}
	return wait > 0
}

// asUnexpected is the drift that an object is which should not be there.
func asUnexpected(o baseline.Object) *drift.Drift {
	return &drift.Drift{Object: baseline.Reference(o), Change: v1alpha1.Unexpected, Got: o}
}

// traceRelease says of a copy that was released, in a namespace that its profile does not govern,
// what has become of it and why.
func (r *NamespaceReconciler) traceRelease(ctx context.Context, ns *corev1.Namespace, o baseline.Object, profile *v1alpha1.SecurityProfile) {
	d, by := asUnexpected(o), drift.Attribute(o.GetManagedFields(), nil).Manager
	done := "it was deleted"
	switch {
	case retains(profile):
		done = "it was left without that label"
	case baseline.BelongsToNamespace(o):
		done = "that label was taken off"
	}
	what := fmt.Sprintf("%s %s bore the label of SecurityProfile %s, which does not govern this namespace: %s",
		d.Object.Kind, d.Object.Name, o.GetLabels()[v1alpha1.ProfileLabel], done)
	logf.FromContext(ctx).Info("Released what bore a profile's label", "namespace", ns.Name, "kind", d.Object.Kind, "name", d.Object.Name, "manager", by)
	r.events.Tell(ns, ns.Name, events.Notice{
		Object: d.Object, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventRemoved, Action: "Release", Note: what,
	})
	if !r.contests.Corrected(ns.Name, d, by, r.Clock.Now()) {
		return
	}
	name := "" // Whoever copies objects chooses what label they bear, so that only the names of profiles are counted by.
	if profile != nil {
		name = profile.Name
	}
	r.Metrics.Contested(name, d.Object.Kind)
	what = fmt.Sprintf("%s %s is %s", d.Object.Kind, d.Object.Name, contention.DisputeOf(d, by).Sentence(v1alpha1.BackOff))
	r.events.Tell(ns, ns.Name, events.Notice{
		Object: d.Object, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventContested, Action: "Wait", Note: what,
	})
}

// traceRemovals logs what the pass removed, and tells an event of what no drift tells: what is
// declared no more.
func (r *NamespaceReconciler) traceRemovals(ctx context.Context, p *posture.Pass, outcomes []drift.Outcome) {
	var removed, undeclared []string
	for _, o := range outcomes {
		if o.Change != v1alpha1.Unexpected || !o.Done {
			continue
		}
		name := o.Object.Kind + " " + o.Object.Name
		removed = append(removed, name)
		if !o.Recorded {
			undeclared = append(undeclared, name)
		}
	}
	if len(removed) > 0 {
		logf.FromContext(ctx).Info("Removed what the baseline does not hold", "namespace", p.Namespace.Name, "objects", removed)
	}
	if len(undeclared) > 0 {
		r.event(p, baseline.Reference(p.Namespace), corev1.EventTypeNormal, v1alpha1.EventRemoved, "Prune",
			"SecurityProfile "+p.Profile.Name+" does not declare and had removed: "+strings.Join(undeclared, ", "))
	}
}

// goesWith says that Kubernetes deletes an object with the profile that owns it, or nothing.
func goesWith(o baseline.Object, profile *v1alpha1.SecurityProfile) string {
	owned := profile != nil && slices.ContainsFunc(o.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owner.UID == profile.UID
	})
	if !owned {
		return ""
	}
	return ", also its owner reference, by which Kubernetes deletes it when that profile is deleted"
}

// leaveAlone says what bears a profile's label in a protected namespace, where nothing is ever
// touched. It is told on the profile, or on the namespace if there is no such profile. The first
// look at everything after a start tells no event, since an earlier one did: then the log and the
// profile's status say it.
func (r *NamespaceReconciler) leaveAlone(ctx context.Context, ns *corev1.Namespace) error {
	objects, err := r.objects.Labelled(ctx, ns.Name)
	if err != nil {
		return err
	}
	if baseline.IsLabelled(ns) {
		objects = append(objects, ns)
	}
	for _, o := range objects {
		label := o.GetLabels()[v1alpha1.ProfileLabel]
		profile, err := inventory.Profile(ctx, r.Client, label)
		if err != nil {
			return err
		}
		ref := baseline.Reference(o)
		logf.FromContext(ctx).Info("Left alone what bears a profile's label in a protected namespace",
			"namespace", ns.Name, "kind", ref.Kind, "name", ref.Name, "profile", label)
		if r.queue.IsOvertakable(requestFor(ns.Name)) {
			continue
		}
		what := fmt.Sprintf("%s %s in the protected namespace %s bears the label of SecurityProfile %s; it is left alone%s",
			ref.Kind, ref.Name, ns.Name, label, goesWith(o, profile))
		var regarding runtime.Object = ns
		if profile != nil {
			regarding = profile
		}
		r.events.Tell(regarding, ns.Name, events.Notice{
			Object: ref, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventProtected, Action: "Look", Note: what,
		})
	}
	return nil
}
