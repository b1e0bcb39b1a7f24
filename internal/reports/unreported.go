package reports

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Unreported remembers the namespaces whose report the API server refuses.
type Unreported struct {
	*posture.Refusals
	changed chan event.GenericEvent
}

// NewUnreported remembers nothing yet.
func NewUnreported() *Unreported {
	return &Unreported{Refusals: posture.NewRefusals(), changed: make(chan event.GenericEvent, 1)}
}

// Changed tells that there is one more such namespace, or one less.
func (u *Unreported) Changed() <-chan event.GenericEvent { return u.changed }

// isRefused remembers the answer to one more try to write a report that failed, and reports whether
// it is time to tell that it is refused.
func (u *Unreported) isRefused(namespace, profile string, err error) bool {
	return refuses(err) && u.Refused(namespace, profile, printable.Message(err.Error()))
}

// refuses recognises errors that say more than that somebody was faster, or that the API server is
// busy or away.
func refuses(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) &&
		(!correction.IsInterrupted(err) || apierrors.IsInternalError(err)) // The API server says so of a webhook that fails.
}

// Note remembers whether the report of a pass was written, and returns what is to be told if it was
// refused for some tries.
func (u *Unreported) Note(p *posture.Pass, err error) []events.Notice {
	switch {
	case err == nil:
		if u.Forget(p.Namespace.Name) { // The reports may have been summed since this one was written.
			u.tell()
		}
	case u.isRefused(p.Namespace.Name, p.Profile.Name, err):
		u.tell()
		return []events.Notice{{
			Object: posture.Reference, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventFailed, Action: "Report",
			Note: printable.Message(err.Error()),
		}}
	}
	return nil
}

// tell has the profiles summed again.
func (u *Unreported) tell() {
	select {
	case u.changed <- event.GenericEvent{Object: &v1alpha1.SecurityProfile{}}:
	default: // The profiles are about to be told already.
	}
}
