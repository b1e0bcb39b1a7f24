package controllers

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// unreported remembers the namespaces whose report the API server refuses.
type unreported struct {
	*posture.Refusals
	changed chan event.GenericEvent // tells that there is one more, or one less
}

func newUnreported() *unreported {
	return &unreported{Refusals: posture.NewRefusals(), changed: make(chan event.GenericEvent, 1)}
}

// note remembers the answer to one more try to write a report, and reports whether it is time to
// tell that it is refused.
func (u *unreported) note(namespace, profile string, err error) bool {
	switch {
	case err == nil:
		u.Forget(namespace)
		return false
	case !refuses(err):
		return false
	}
	return u.Refused(namespace, profile, printable.Message(err.Error()))
}

// refuses recognises errors that say more than that somebody was faster, or that the API server is
// busy or away.
func refuses(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) &&
		(!interrupted(err) || apierrors.IsInternalError(err)) // The API server says so of a webhook that fails.
}

// noteReport remembers whether the report of a pass was written, and tells it if it was refused for
// some tries.
func (r *NamespaceReconciler) noteReport(p *pass, err error) {
	if !r.unreported.note(p.namespace.Name, p.profile.Name, err) {
		return
	}
	r.event(p, postureReference, corev1.EventTypeWarning, v1alpha1.EventFailed, "Report", printable.Message(err.Error()))
	select {
	case r.unreported.changed <- event.GenericEvent{Object: &v1alpha1.SecurityProfile{}}:
	default: // The profiles are about to be told already.
	}
}

// withUnreported are the reports of a profile, and in the place of those that are refused what they
// would say: that they are.
func withUnreported(
	profile *v1alpha1.SecurityProfile, selector *selection.Selector, namespaces []corev1.Namespace,
	reports map[string]*v1alpha1.NamespacePosture, why func(profile, namespace string) (string, bool),
) map[string]*v1alpha1.NamespacePosture {
	all := make(map[string]*v1alpha1.NamespacePosture, len(reports))
	for namespace, report := range reports {
		all[namespace] = report
	}
	for i := range namespaces {
		ns := &namespaces[i]
		words, refused := why(profile.Name, ns.Name)
		if _, governs := selector.Standing(profile.Name, ns); !refused || !governs {
			continue
		}
		standIn := &v1alpha1.NamespacePosture{}
		if last := reports[ns.Name]; last != nil {
			shallow := *last
			standIn = &shallow
		}
		standIn.ObjectMeta = metav1.ObjectMeta{Namespace: ns.Name, Name: v1alpha1.PostureName}
		standIn.Profile, standIn.ProfileGeneration, standIn.Ready = profile.Name, profile.Generation, false
		standIn.Summary.Failed++
		standIn.Objects = append([]v1alpha1.ManagedObject{{
			ObjectReference: postureReference, State: v1alpha1.ObjectFailed,
			Message: fmt.Sprintf("the report is refused: %s", words),
		}}, slices.Clone(standIn.Objects)...)
		all[ns.Name] = standIn
	}
	return all
}
