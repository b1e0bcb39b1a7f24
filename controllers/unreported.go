package controllers

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// unreported remembers the namespaces whose report the API server refuses.
type unreported struct {
	*posture.Refusals
	changed chan event.GenericEvent // tells that there is one more, or one less
}

func newUnreported() *unreported {
	return &unreported{Refusals: posture.NewRefusals(), changed: make(chan event.GenericEvent, 1)}
}

// note remembers the answer to one more try to write a report that failed, and reports whether it
// is time to tell that it is refused.
func (u *unreported) note(namespace, profile string, err error) bool {
	return refuses(err) && u.Refused(namespace, profile, printable.Message(err.Error()))
}

// refuses recognises errors that say more than that somebody was faster, or that the API server is
// busy or away.
func refuses(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) &&
		(!correction.IsInterrupted(err) || apierrors.IsInternalError(err)) // The API server says so of a webhook that fails.
}

// noteReport remembers whether the report of a pass was written, and tells it if it was refused for
// some tries.
func (r *NamespaceReconciler) noteReport(p *posture.Pass, err error) {
	if err == nil {
		if r.unreported.Forget(p.Namespace.Name) { // The reports may have been summed since this one was written.
			r.unreported.tell()
		}
		return
	}
	if r.unreported.note(p.Namespace.Name, p.Profile.Name, err) {
		r.event(p, postureReference, corev1.EventTypeWarning, v1alpha1.EventFailed, "Report", printable.Message(err.Error()))
		r.unreported.tell()
	}
}

// tell has the profiles summed again.
func (u *unreported) tell() {
	select {
	case u.changed <- event.GenericEvent{Object: &v1alpha1.SecurityProfile{}}:
	default: // The profiles are about to be told already.
	}
}
