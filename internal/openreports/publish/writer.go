package publish

import (
	"context"
	"fmt"
	"maps"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/openreports"
)

// Writer writes one NamespacePosture at a time as a Report. A Report goes with its posture, by the
// garbage collector.
type Writer struct {
	// Reports reads Reports that bear our label from a cache, sees its own writes, and writes.
	Reports client.Client
	// Live reads from the API server.
	Live client.Reader
	// Room makes the write of a Report that a quota of the baseline has no room for.
	Room Room
	// Refused is called after each Report that the API server did not take.
	Refused func()
}

// Room makes a write of an object that belongs to a posture, and opens those quotas of the baseline
// that refuse it for that one write.
type Room func(
	ctx context.Context, posture *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference, write func() error,
) error

// reportReference names the Report of a namespace.
var reportReference = v1alpha1.ObjectReference{
	APIVersion: reportsv1alpha1.SchemeGroupVersion.String(), Kind: "Report", Name: v1alpha1.ReportName,
}

// Write makes the Report of a namespace say what its posture says. It reports whether the name is
// occupied by a Report that Bulwark did not create, which it leaves alone.
func (w *Writer) Write(ctx context.Context, posture *v1alpha1.NamespacePosture) (occupied bool, err error) {
	want := openreports.Render(posture)
	have := &reportsv1alpha1.Report{}
	switch err := w.Reports.Get(ctx, client.ObjectKeyFromObject(want), have); {
	case apierrors.IsNotFound(err):
		return w.create(ctx, posture, want)
	case err != nil:
		return false, fmt.Errorf("reading the Report of namespace %s: %w", want.Namespace, err)
	}
	return false, w.update(ctx, have, want)
}

// create makes a Report that the cache does not hold. If there is one nevertheless, it has lost its
// label, or Bulwark did not create it.
func (w *Writer) create(
	ctx context.Context, posture *v1alpha1.NamespacePosture, want *reportsv1alpha1.Report,
) (occupied bool, err error) {
	err = w.Room(ctx, posture, reportReference, func() error { return w.Reports.Create(ctx, want.DeepCopy()) })
	if err == nil || clusteraccess.IsTerminating(err) {
		return false, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		w.Refused()
		return false, fmt.Errorf("creating the Report of namespace %s: %w", want.Namespace, err)
	}
	have := &reportsv1alpha1.Report{}
	if err := w.Live.Get(ctx, client.ObjectKeyFromObject(want), have); err != nil {
		return false, fmt.Errorf("reading the Report of namespace %s: %w", want.Namespace, err)
	}
	if !createdByUs(have, want) {
		return true, nil
	}
	return false, w.update(ctx, have, want)
}

// createdByUs reports whether Bulwark created a Report: by its label or, if somebody took that off,
// by its owner.
func createdByUs(have, want *reportsv1alpha1.Report) bool {
	if have.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedBy {
		return true
	}
	for _, owner := range have.OwnerReferences {
		if owner.UID == want.OwnerReferences[0].UID {
			return true
		}
	}
	return false
}

// update writes a Report if it differs. Labels and annotations that others have set stay.
func (w *Writer) update(ctx context.Context, have, want *reportsv1alpha1.Report) error {
	updated := want.DeepCopy()
	have.ObjectMeta.DeepCopyInto(&updated.ObjectMeta)
	if updated.Labels == nil {
		updated.Labels = map[string]string{}
	}
	maps.Copy(updated.Labels, want.Labels)
	updated.OwnerReferences = want.OwnerReferences
	updated.TypeMeta = have.TypeMeta
	if equality.Semantic.DeepEqual(have, updated) {
		return nil
	}
	if err := w.Reports.Update(ctx, updated); err != nil {
		if !apierrors.IsConflict(err) {
			w.Refused()
		}
		return client.IgnoreNotFound(fmt.Errorf("updating the Report of namespace %s: %w", want.Namespace, err))
	}
	return nil
}
