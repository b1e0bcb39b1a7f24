package podscan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestAPodThatShouldHaveEndedIsInNobodysWay(t *testing.T) {
	ends := func(at time.Time) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: at}}}
	}
	if isOverdue(&corev1.Pod{}, posturetest.Noon) || isOverdue(ends(posturetest.Noon.Add(time.Second)), posturetest.Noon) || !isOverdue(ends(posturetest.Noon.Add(-time.Second)), posturetest.Noon) {
		t.Error("a pod is overdue once its grace is over, and not before")
	}
}
