package correction

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
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
)

// An object of which an immutable field differs, or that is about to go, is deleted and made anew.
// Two of one name cannot coexist, so that:
//
//	the API server                   what becomes of it
//	would refuse the new one         the old one stays, unless somebody has made it of what permits
//	would take it, and does          the old one is deleted, the new one made
//	would take it, and then refuses  the old one is put back, and the next try waits, each time longer
//
// An object that judges requests is only replaced when it is about to go: it neither stays nor is
// it put back.

const (
	// restoreTimeout bounds a replacement from the deletion on. It ends also if the operator is
	// told to stop meanwhile.
	restoreTimeout = 10 * time.Second
	// firstRetry is how long the second try to put an object back waits. Each further one waits
	// twice as long.
	firstRetry, retries = 100 * time.Millisecond, 6
)

// wasPutBack begins the message on an object that was put back.
const wasPutBack = "what was there before was deleted, and put back: "

// replace deletes the object and makes it anew, once the API server has said that it would. What
// our own quotas have no room for, they are opened for from the question on.
func (w *write) replace(ctx context.Context) (answer, error) {
	var made baseline.Object
	admitted, deleted := false, false
	lasting, end := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer end()
	opened, err := w.withRoom(ctx, func() error {
		if !admitted {
			if err := w.e.Writer.Admits(ctx, w.o.Want); err != nil {
				return err
			}
			admitted = true
		}
		if !deleted {
			if err := w.e.Writer.Delete(lasting, w.o.Got); client.IgnoreNotFound(err) != nil {
				return err
			}
			deleted = true
		}
		var err error
		made, err = w.e.Writer.Create(lasting, w.o.Want)
		return err
	})
	switch {
	case err == nil:
		return answer{object: made, notices: append(opened, events.Notice{
			Object: w.o.Object, Type: corev1.EventTypeNormal, Reason: v1alpha1.EventReplaced, Action: "Replace",
			Note: fmt.Sprintf("%s %s was deleted and made anew: %s", w.o.Object.Kind, w.o.Object.Name, whyReplaced(&w.o.Drift)),
		})}, nil
	case baseline.KindOf(w.o.Want).JudgesRequests:
		return answer{notices: opened}, err
	case deleted:
		notices, err := w.putBack(lasting, err)
		return answer{notices: append(opened, notices...)}, err
	case admitted, IsInterrupted(err), clusteraccess.IsTerminating(err):
		return answer{notices: opened}, err
	}
	return answer{notices: opened}, w.outlive(ctx, err)
}

func whyReplaced(d *drift.Drift) string {
	if d.Terminates() {
		return "it was being deleted, held by the finalizers " + strings.Join(d.Got.GetFinalizers(), ", ")
	}
	return fmt.Sprintf("%s is immutable", d.Fields[0])
}

// outlive is for an object that the API server would not replace: it stays what it enforces, and is
// this profile's. The error says so.
func (w *write) outlive(ctx context.Context, refusal error) error {
	if !w.o.Outlives(w.o.Recorded) {
		if err := w.e.Writer.Delete(ctx, w.o.Got); client.IgnoreNotFound(err) != nil {
			return errors.Join(refusal, err)
		}
		return fmt.Errorf("what somebody made in its place was deleted: %w", refusal)
	}
	kept := w.o.Restored()
	if !w.o.Foreign && !w.o.Terminates() && len(drift.Differences(kept, w.o.Got)) > 0 {
		if _, err := w.e.Writer.Overwrite(ctx, kept, w.o.Got); err != nil {
			return errors.Join(refusal, err)
		}
	}
	return fmt.Errorf("what was there before stays: %w", refusal)
}

// putBack makes an object again as it was, after it has been deleted and the one in its place has
// been refused all the same.
func (w *write) putBack(ctx context.Context, refusal error) (notices []events.Notice, _ error) {
	o := w.o
	if apierrors.IsAlreadyExists(refusal) || clusteraccess.IsTerminating(refusal) || !o.Outlives(o.Recorded) {
		return nil, refusal
	}
	err := untilAnswered(ctx, func() error {
		opened, err := w.withRoom(ctx, func() error {
			_, err := w.e.Writer.Create(ctx, o.Restored())
			return err
		})
		notices = append(notices, opened...)
		return err
	})
	if apierrors.IsAlreadyExists(err) { // The answer to a write was lost.
		return notices, refusal
	}
	if err != nil {
		return notices, fmt.Errorf("%w; what was there before was deleted, and cannot be put back: %w", refusal, err)
	}
	again := w.e.PutBack.Note(w.s.Namespace, o.Object, o.Fields, w.e.Clock.Now())
	return append(notices, events.Notice{
		Object: o.Object, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventPutBack, Action: "Replace",
		Note: fmt.Sprintf("%s %s was deleted, what is declared was refused after all, and the old one was put back; "+
			"the next try waits %s: %v", o.Object.Kind, o.Object.Name, again, refusal),
	}), fmt.Errorf("%s%w", wasPutBack, refusal)
}

// untilAnswered makes a write until the API server says something of it.
func untilAnswered(ctx context.Context, write func() error) (err error) {
	for pause := (wait.Backoff{Duration: firstRetry, Factor: 2, Steps: retries}); ; {
		if err = write(); !IsInterrupted(err) || pause.Steps == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause.Step()):
		}
	}
}
