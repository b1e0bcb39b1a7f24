package controllers

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

var postures = schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "namespacepostures"}

var errNoRoomForReport = apierrors.NewForbidden(postures, v1alpha1.PostureName, errors.New("exceeded quota: own"))

func TestUnreported(t *testing.T) {
	again := func(n int, err error) (errs []error) {
		for range n {
			errs = append(errs, err)
		}
		return errs
	}
	for sentence, tt := range map[string]struct {
		answers []error
		told    int
		refused bool
	}{
		"a report that is written":                         {answers: again(9, nil)},
		"one that is refused for the first few times":      {answers: again(posture.RefusalsToTell-1, errNoRoomForReport)},
		"one that is refused again and again is told once": {answers: again(3*posture.RefusalsToTell, errNoRoomForReport), told: 1, refused: true},
		"one that is written at last":                      {answers: append(again(posture.RefusalsToTell, errNoRoomForReport), nil), told: 1},
		"a webhook that fails":                             {answers: again(posture.RefusalsToTell, apierrors.NewInternalError(errors.New("failed calling webhook"))), told: 1, refused: true},
		"somebody who is faster":                           {answers: again(9, apierrors.NewConflict(postures, "posture", errors.New("changed")))},
		"an API server that is busy":                       {answers: again(9, apierrors.NewTooManyRequests("busy", 1))},
		"one that is away":                                 {answers: again(9, errors.New("connection refused"))},
		"a busy one in between changes nothing":            {answers: append(append(again(posture.RefusalsToTell-1, errNoRoomForReport), apierrors.NewTooManyRequests("busy", 1)), errNoRoomForReport), told: 1, refused: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			u, told := newUnreported(), 0
			for _, err := range tt.answers {
				switch {
				case err == nil:
					u.Forget("team-a")
				case u.note("team-a", "strict", err):
					told++
				}
			}
			words, refused := u.Why("strict", "team-a")
			if told != tt.told || refused != tt.refused {
				t.Errorf("told %d times, refused %v: %s", told, refused, words)
			}
			if _, others := u.Why("other", "team-a"); others {
				t.Error("it is another profile's too")
			}
			u.Forget("team-a")
			if words, refused := u.Why("strict", "team-a"); refused {
				t.Errorf("it is remembered: %s", words)
			}
		})
	}
}

// The reports may have been summed between the write of one and this, so that no event of it is to
// come.
func TestAReportThatIsWrittenAtLastHasTheProfilesSummedAgain(t *testing.T) {
	r := &NamespaceReconciler{unreported: newUnreported()}
	p := &posture.Pass{
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}},
		Profile:   &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict"}},
	}
	for range posture.RefusalsToTell {
		r.unreported.note("team-a", "strict", errNoRoomForReport)
	}
	for i, want := range []int{1, 0} {
		r.noteReport(p, nil)
		if got := len(r.unreported.changed); got != want {
			t.Errorf("write %d: %d passes over the profiles are to come, and not %d", i, got, want)
		}
		for len(r.unreported.changed) > 0 {
			<-r.unreported.changed
		}
	}
}
