package controllers

import (
	"context"
	"fmt"
	"maps"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

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
	if r.reports.Wrote(previous) && posture.Same(previous, report) {
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

func ignoreTerminating(err error) error {
	if clusteraccess.IsTerminating(err) {
		return nil
	}
	return err
}
