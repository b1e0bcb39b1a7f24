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
	noon := posturetest.Noon
	for sentence, tt := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"one that is not being deleted": {pod: &corev1.Pod{}},
		"one whose grace is not over":   {pod: ends(noon.Add(time.Second))},
		"one whose grace is over":       {pod: ends(noon.Add(-time.Second)), want: true},
	} {
		if got := isOverdue(tt.pod, noon); got != tt.want {
			t.Errorf("%s: overdue: want %t, got %t", sentence, tt.want, got)
		}
	}
}
