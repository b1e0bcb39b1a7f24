package reports

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// Writer writes reports.
type Writer struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Live reads from the API server, for what the cache does not hold.
	Live client.Reader
	// Memory seals reports, and tells those that Bulwark wrote.
	Memory *reportmemory.Memory
	// Contests note each report that is deleted.
	Contests *contention.Contests
	// Clock is the time.
	Clock clock.PassiveClock
}

// Write writes a report if it says anything new.
func (w *Writer) Write(ctx context.Context, previous, report *v1alpha1.NamespacePosture) error {
	w.Memory.Seal(report)
	if previous == nil || IsEnding(previous) || reportmemory.IsRecalled(previous) { // What it remembers is in the report.
		if err := w.Client.Create(ctx, report); err != nil {
			return ignoreTerminating(fmt.Errorf("creating the report of namespace %s: %w", report.Namespace, err))
		}
		w.Memory.Keep(report.Namespace)
		return nil
	}
	report.UID, report.ResourceVersion = previous.UID, previous.ResourceVersion
	keepMetadata(report, previous)
	if w.Memory.Wrote(previous) && posture.Same(previous, report) {
		w.Memory.Keep(report.Namespace)
		return nil
	}
	if err := w.Client.Update(ctx, report); err != nil {
		return ignoreTerminating(fmt.Errorf("updating the report of namespace %s: %w", report.Namespace, err))
	}
	w.Memory.Keep(report.Namespace)
	return nil
}

// keepMetadata keeps the labels and annotations that others have put on a report: to remove them
// would be a fight.
func keepMetadata(report, previous *v1alpha1.NamespacePosture) {
	labels := maps.Clone(previous.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, report.Labels)
	report.Labels, report.Annotations = labels, previous.Annotations
}

// ignoreTerminating drops the refusal to write in a namespace that is being deleted.
func ignoreTerminating(err error) error {
	if clusteraccess.IsTerminating(err) {
		return nil
	}
	return err
}
