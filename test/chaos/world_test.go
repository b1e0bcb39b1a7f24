package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// patience is how long an administrator tries again when the API server does not answer.
const patience = 2 * time.Minute

// world is one run: the cluster, what the model knows of it, and the operator's replicas.
type world struct {
	ctx   context.Context
	plane *controlplane.ControlPlane
	// admin is in the break-glass group of all profiles, and root may do the same and is not.
	admin, root client.Client

	model      *model
	replicas   []*replica
	clockFile  string
	occupied   int
	foreigners int
}

// create creates an object, and calls undo if the API server refuses it. It is skipped if the
// object exists already, or its namespace does not or is going.
func (w *world) create(o client.Object, undo func()) (skipped bool, err error) {
	tries := 0
	err = w.insist(func() error {
		tries++
		err := w.admin.Create(w.ctx, o)
		if apierrors.IsAlreadyExists(err) && tries > 1 { // An earlier try was carried out and its answer lost.
			if getErr := w.admin.Get(w.ctx, client.ObjectKeyFromObject(o), o); getErr != nil || o.GetDeletionTimestamp() == nil {
				return getErr
			}
		}
		return err
	})
	if err == nil {
		return false, nil
	}
	undo()
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || isRefused(err) {
		return true, nil
	}
	return false, fmt.Errorf("creating %s: %w", key(o), err)
}

// update reads the object, changes it, and writes it, again while somebody else is faster.
func (w *world) update(o client.Object, change func()) error {
	return w.insist(func() error {
		if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change()
		return w.admin.Update(w.ctx, o)
	})
}

// delete deletes the object, if it is there.
func (w *world) delete(o client.Object) error {
	err := w.insist(func() error { return client.IgnoreNotFound(w.admin.Delete(w.ctx, o)) })
	if err != nil {
		return fmt.Errorf("deleting %s: %w", key(o), err)
	}
	return nil
}

// insist tries again while the API server is away, overloaded or busy with somebody else's write.
func (w *world) insist(call func() error) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		err := call()
		if !passing(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// isRefused recognises refusals by admission. A policy that finds no report to look at refuses with
// another reason.
func isRefused(err error) bool {
	return apierrors.IsForbidden(err) || err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy '")
}

// passing recognises errors that a later try may not meet: the API server's answer says so, or
// there was none.
func passing(err error) bool {
	var answer apierrors.APIStatus
	if err == nil || !errors.As(err, &answer) {
		return err != nil
	}
	return apierrors.IsConflict(err) ||
		apierrors.IsInternalError(err) ||
		apierrors.IsServerTimeout(err) ||
		apierrors.IsTimeout(err) ||
		apierrors.IsServiceUnavailable(err) ||
		apierrors.IsTooManyRequests(err) ||
		apierrors.IsUnexpectedServerError(err)
}

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}
