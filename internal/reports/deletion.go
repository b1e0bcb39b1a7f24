package reports

import (
	"context"
	"fmt"

	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// A report that somebody has put a finalizer on:
//
//	the namespace      the report              becomes
//	is protected       anything                left alone, and no deletion waits for it
//	is governed        stays                   without it, with the next report
//	is not governed    stays                   deleted, and then without it
//	any other          is being deleted        without it, and so gone; who governs makes it anew
//
// The finalizer is taken off after the deletion: from then on nobody can put another one on.

// IsEnding reports whether a report is being deleted: it is gone when its last finalizer is.
func IsEnding(report *v1alpha1.NamespacePosture) bool { return !report.DeletionTimestamp.IsZero() }

// End removes the finalizers of a report that is being deleted.
func (w *Writer) End(ctx context.Context, report *v1alpha1.NamespacePosture) error {
	if report == nil || !IsEnding(report) {
		return nil
	}
	return w.removeFinalizers(ctx, report)
}

// Delete deletes exactly this report, whatever finalizers it has. The removal is noted: a report
// that somebody makes again and again delays the deletion of no profile.
func (w *Writer) Delete(ctx context.Context, report *v1alpha1.NamespacePosture) error {
	w.Memory.Release(report.Namespace)
	if IsEnding(report) || reportmemory.IsRecalled(report) {
		return nil // Its finalizers have been removed, or somebody else deleted it.
	}
	uid := report.UID
	options := []client.DeleteOption{client.Preconditions{UID: &uid}}
	hasFinalizers := len(report.Finalizers) > 0
	if hasFinalizers { // The cache hears of the deletion by another write, and not by this one.
		options = append(options, client.DisableReadYourWritesConsistency)
	}
	if err := w.Client.Delete(ctx, report, options...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the report of namespace %s: %w", report.Namespace, err)
	}
	w.Contests.Removed(report.Namespace, posture.Reference, w.Clock.Now())
	if !hasFinalizers {
		return nil
	}
	return w.removeFinalizers(ctx, report)
}

// removeFinalizers ends a report that is being deleted, also if somebody writes it in this very
// moment.
func (w *Writer) removeFinalizers(ctx context.Context, report *v1alpha1.NamespacePosture) error {
	remove := func() error {
		var live v1alpha1.NamespacePosture
		if err := w.Live.Get(ctx, client.ObjectKeyFromObject(report), &live); err != nil {
			return client.IgnoreNotFound(err)
		}
		if live.UID != report.UID || len(live.Finalizers) == 0 {
			return nil
		}
		live.Finalizers = nil
		return client.IgnoreNotFound(w.Client.Update(ctx, &live, client.DisableReadYourWritesConsistency))
	}
	if err := retry.RetryOnConflict(retry.DefaultBackoff, remove); err != nil {
		return fmt.Errorf("removing the finalizers of the report of namespace %s: %w", report.Namespace, err)
	}
	return nil
}
