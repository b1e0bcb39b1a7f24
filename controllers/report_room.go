package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// postureReference names the report of a namespace.
var postureReference = posture.Reference

// withRoom makes a write in a namespace that the baseline's own quotas must not keep out.
func (r *NamespaceReconciler) withRoom(
	ctx context.Context, p *posture.Pass, object v1alpha1.ObjectReference, write func() error,
) ([]events.Notice, error) {
	return r.corrections.Room.Write(ctx, p.Namespace.Name, p.Ours, object, write)
}

// roomBeside makes the write of an object that goes with a report, which the baseline's own quotas
// keep out as little as the report.
func (r *NamespaceReconciler) roomBeside(
	ctx context.Context, report *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference, write func() error,
) error {
	err := write()
	if !quotaroom.IsRefusal(err) {
		return err
	}
	p := &posture.Pass{
		Profile: &v1alpha1.SecurityProfile{}, Namespace: &corev1.Namespace{}, Memory: posture.MemoryOf(report),
	}
	unread := errors.Join(
		r.Client.Get(ctx, client.ObjectKey{Name: report.Profile}, p.Profile),
		r.Client.Get(ctx, client.ObjectKey{Name: report.Namespace}, p.Namespace))
	if unread != nil {
		return errors.Join(err, fmt.Errorf("reading whose quotas these are: %w", unread))
	}
	notices, err := r.withRoom(ctx, p, object, write)
	r.notify(p, notices)
	return err
}
