package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// An object of which an immutable field differs, or that is about to go, is deleted and made anew.
// Two of one name cannot coexist, so that:
//
//	the API server                   what becomes of it
//	would refuse the new one         the old one stays, unless somebody has made it of what permits
//	would take it, and does          the old one is deleted, the new one made
//	would take it, and then refuses  the old one is put back, and the next try waits, each time longer

// restoreTimeout bounds a replacement from the deletion on. It ends also if the operator is told to
// stop meanwhile.
const restoreTimeout = 10 * time.Second

// replace deletes the object and makes it anew, once the API server has said that it would. What
// our own quotas have no room for, they are opened for from the question on.
func (r *NamespaceReconciler) replace(ctx context.Context, p *posture.Pass, o *drift.Outcome) (answer, error) {
	var made baseline.Object
	admitted, deleted := false, false
	lasting, end := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer end()
	opened, err := r.withRoom(ctx, p, o.Object, func() error {
		if !admitted {
			if err := r.writer().Admits(ctx, o.Want); err != nil {
				return err
			}
			admitted = true
		}
		if !deleted {
			if err := r.writer().Delete(lasting, o.Got); client.IgnoreNotFound(err) != nil {
				return err
			}
			deleted = true
		}
		var err error
		made, err = r.writer().Create(lasting, o.Want)
		return err
	})
	switch {
	case err == nil:
		return answer{object: made, notices: append(opened, events.Notice{
			Object: o.Object, Type: corev1.EventTypeNormal, Reason: v1alpha1.EventReplaced, Action: "Replace",
			Note: fmt.Sprintf("%s %s was deleted and made anew: %s", o.Object.Kind, o.Object.Name, whyReplaced(&o.Drift)),
		})}, nil
	case deleted:
		notices, err := r.putBack(lasting, p, o, err)
		return answer{notices: append(opened, notices...)}, err
	case admitted, interrupted(err), isTerminating(err):
		return answer{notices: opened}, err
	}
	return answer{notices: opened}, r.outlive(ctx, o, err)
}

func whyReplaced(d *drift.Drift) string {
	if d.Terminates() {
		return "it was being deleted, held by the finalizers " + strings.Join(d.Got.GetFinalizers(), ", ")
	}
	return fmt.Sprintf("%s is immutable", d.Fields[0])
}

// outlive is for an object that the API server would not replace: it stays what it enforces, and is
// this profile's. The error says so.
func (r *NamespaceReconciler) outlive(ctx context.Context, o *drift.Outcome, refusal error) error {
	if !o.Outlives(o.Recorded) {
		if err := r.writer().Delete(ctx, o.Got); client.IgnoreNotFound(err) != nil {
			return errors.Join(refusal, err)
		}
		return fmt.Errorf("what somebody made in its place was deleted: %w", refusal)
	}
	kept := o.Restored()
	if !o.Foreign && !o.Terminates() && len(drift.Differences(kept, o.Got)) > 0 {
		if _, err := r.writer().Overwrite(ctx, kept, o.Got); err != nil {
			return errors.Join(refusal, err)
		}
	}
	return fmt.Errorf("what was there before stays: %w", refusal)
}

// putBack makes an object again as it was, after it has been deleted and the one in its place has
// been refused all the same.
func (r *NamespaceReconciler) putBack(
	ctx context.Context, p *posture.Pass, o *drift.Outcome, refusal error,
) (notices []events.Notice, _ error) {
	if apierrors.IsAlreadyExists(refusal) || isTerminating(refusal) || !o.Outlives(o.Recorded) {
		return nil, refusal
	}
	err := r.untilAnswered(ctx, func() error {
		opened, err := r.withRoom(ctx, p, o.Object, func() error { return r.Client.Create(ctx, o.Restored()) })
		notices = append(notices, opened...)
		return err
	})
	if apierrors.IsAlreadyExists(err) { // The answer to a write was lost.
		return notices, refusal
	}
	if err != nil {
		return notices, fmt.Errorf("%w; what was there before was deleted, and cannot be put back: %w", refusal, err)
	}
	again := r.restored.Note(p.Namespace.Name, o.Object, o.Fields, r.Clock.Now())
	return append(notices, events.Notice{
		Object: o.Object, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventPutBack, Action: "Replace",
		Note: fmt.Sprintf("%s %s was deleted, what is declared was refused after all, and the old one was put back; "+
			"the next try waits %s: %v", o.Object.Kind, o.Object.Name, again, refusal),
	}), fmt.Errorf("%s%w", wasPutBack, refusal)
}

// wasPutBack begins the message on an object that was put back.
const wasPutBack = "what was there before was deleted, and put back: "

// untilAnswered makes a write until the API server says something of it.
func (r *NamespaceReconciler) untilAnswered(ctx context.Context, write func() error) (err error) {
	for pause := (wait.Backoff{Duration: retryMin, Factor: 2, Steps: 6}); ; {
		if err = write(); !interrupted(err) || pause.Steps == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause.Step()):
		}
	}
}

// isPutBack reports whether a drift is that of an object that was put back, and whose replacement
// is not tried again yet. After a restart the last report tells.
func (r *NamespaceReconciler) isPutBack(p *posture.Pass, o *drift.Outcome) bool {
	if !o.Replaces() {
		return false
	}
	now := r.Clock.Now()
	last, _ := p.Object(o.Object)
	reported := strings.HasPrefix(last.Message, wasPutBack)
	left, known := r.restored.Wait(p.Namespace.Name, o.Object, o.Fields, now)
	if !known && reported && p.Current() {
		left = r.restored.Note(p.Namespace.Name, o.Object, o.Fields, now)
	}
	if left == 0 {
		return false
	}
	o.Recorded, o.Wait, o.Standing = false, left, wasPutBack+"the next try waits"
	if reported {
		o.Standing = last.Message
	}
	return true
}
