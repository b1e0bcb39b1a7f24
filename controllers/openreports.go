package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/openreports/publish"
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
