package posture

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// SetPublished makes the condition of a profile say whether Reports are published:
//
//	Reports are to be published | is known whether they are | the condition
//	no                          | -                         | is removed
//	yes                         | no, since a restart       | stays as it was before the restart
//	yes                         | yes                       | says so
func SetPublished(status *v1alpha1.SecurityProfileStatus, wanted bool, known *metav1.Condition, now time.Time) {
	switch {
	case !wanted:
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionPublished)
	case known != nil:
		SetCondition(status, *known, now)
	}
}
