package correction

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

func TestWhatSomebodyDeletesMeanwhileIsNotChangedByAdmission(t *testing.T) {
	want := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-dev"}}
	for sentence, tc := range map[string]struct {
		answer func(*rbacv1.Role)
		state  v1alpha1.DriftState
	}{
		"it is as it was written":       {func(*rbacv1.Role) {}, v1alpha1.DriftStateCorrected},
		"a finalizer holds a deletion":  {func(o *rbacv1.Role) { o.DeletionTimestamp = &metav1.Time{Time: noon} }, v1alpha1.DriftStateCorrected},
		"admission has changed a field": {func(o *rbacv1.Role) { o.Rules = []rbacv1.PolicyRule{{Verbs: []string{"get"}}} }, v1alpha1.DriftStatePresent},
	} {
		o := &drift.Outcome{Drift: modified(want, "rules"), State: v1alpha1.DriftStateCorrected, Recorded: true}
		answer := want.DeepCopy()
		tc.answer(answer)
		newEngine(nil).conclude(&Scope{Namespace: "shop"}, o, answer)
		if o.State != tc.state || len(o.Mutated) > 0 != (tc.state == v1alpha1.DriftStatePresent) {
			t.Errorf("%s: got %s, changed by admission: %v", sentence, o.State, o.Mutated)
		}
	}
}
