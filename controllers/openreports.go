package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/openreports/publish"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// openReportsReconciler publishes the NamespacePosture of one namespace as a Report of
// openreports.io.
type openReportsReconciler struct {
	postures client.Reader // from the cache
	writer   *publish.Writer
	recheck  time.Duration
}

// Reconcile makes the Report of a namespace say what its posture says.
func (r *openReportsReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var posture v1alpha1.NamespacePosture
	err := r.postures.Get(ctx, client.ObjectKey{Namespace: request.Name, Name: v1alpha1.PostureName}, &posture)
	if err != nil || !posture.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	occupied, err := r.writer.Write(ctx, &posture)
	if err != nil || !occupied {
		return reconcile.Result{}, err
	}
	logf.FromContext(ctx).Info("A Report of this name exists that Bulwark did not make; it is left alone",
		"namespace", request.Name, "report", v1alpha1.ReportName)
	return reconcile.Result{RequeueAfter: r.recheck}, nil // Unmanaged Reports are not watched.
}

// setPublished makes the condition of a profile say whether Reports are published:
//
//	Reports are to be published | is known whether they are | the condition
//	no                          | -                         | is removed
//	yes                         | no, since a restart       | stays as it was before the restart
//	yes                         | yes                       | says so
func setPublished(status *v1alpha1.SecurityProfileStatus, wanted bool, known *metav1.Condition, now time.Time) {
	switch {
	case !wanted:
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionPublished)
	case known != nil:
		posture.SetCondition(status, *known, now)
	}
}
