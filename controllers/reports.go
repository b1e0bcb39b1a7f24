package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// A report that somebody has put a finalizer on:
//
//	the namespace      the report              becomes
//	is protected       anything                left alone, and holds nobody
//	is governed        stays                   without it, with the next report
//	is not governed    stays                   deleted, and then without it
//	any other          is being deleted        without it, and so gone; who governs makes it anew
//
// The finalizer is taken off after the deletion: from then on nobody can put another one on.

// isEnding reports whether a report is being deleted: as soon as nobody holds it, it is gone.
func isEnding(report *v1alpha1.NamespacePosture) bool { return !report.DeletionTimestamp.IsZero() }

// endReport takes off what holds a report that is being deleted.
func (r *NamespaceReconciler) endReport(ctx context.Context, report *v1alpha1.NamespacePosture) error {
	if report == nil || !isEnding(report) {
		return nil
	}
	return r.takeFinalizersOff(ctx, report)
}

// endReportIn does so in a namespace that is being deleted itself, which nothing else is done to.
func (r *NamespaceReconciler) endReportIn(ctx context.Context, ns *corev1.Namespace) error {
	if selection.New(nil, r.Protected).Protects(ns.Name) {
		return nil
	}
	report, err := inventory.Report(ctx, r.Client, ns.Name)
	if err != nil {
		return err
	}
	return r.endReport(ctx, report)
}

// deleteReport deletes exactly this report, whatever holds it. The removal is noted: whoever makes
// a report again and again holds no profile back by it.
func (r *NamespaceReconciler) deleteReport(ctx context.Context, report *v1alpha1.NamespacePosture) error {
	r.reports.Release(report.Namespace)
	if isEnding(report) || reportmemory.IsRecalled(report) {
		return nil // What held it has been taken off, or it was deleted by somebody else.
	}
	uid := report.UID
	options := []client.DeleteOption{client.Preconditions{UID: &uid}}
	held := len(report.Finalizers) > 0
	if held { // The cache hears of the deletion by another write, and not by this one.
		options = append(options, client.DisableReadYourWritesConsistency)
	}
	if err := r.Client.Delete(ctx, report, options...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the report of namespace %s: %w", report.Namespace, err)
	}
	r.contests.Removed(report.Namespace, postureReference, r.Clock.Now())
	if !held {
		return nil
	}
	return r.takeFinalizersOff(ctx, report)
}

// takeFinalizersOff ends a report that is being deleted, also if somebody writes it in this very
// moment.
func (r *NamespaceReconciler) takeFinalizersOff(ctx context.Context, report *v1alpha1.NamespacePosture) error {
	free := func() error {
		var live v1alpha1.NamespacePosture
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(report), &live); err != nil {
			return client.IgnoreNotFound(err)
		}
		if live.UID != report.UID || len(live.Finalizers) == 0 {
			return nil
		}
		live.Finalizers = nil
		return client.IgnoreNotFound(r.Client.Update(ctx, &live, client.DisableReadYourWritesConsistency))
	}
	if err := retry.RetryOnConflict(retry.DefaultBackoff, free); err != nil {
		return fmt.Errorf("taking the finalizers off the report of namespace %s: %w", report.Namespace, err)
	}
	return nil
}
