package reportmemory

import (
	"bytes"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// A replica that is not the leader reconciles nothing, and must forget deleted reports, too.
func TestForgetDeleted(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	memory := New(key, time.Time{}, clocktesting.NewFakePassiveClock(noon))
	of := func(uid types.UID) *v1alpha1.NamespacePosture {
		report := &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: uid},
		}
		report.OperatorState.Seal = key.Seal(report)
		return report
	}
	for sentence, gone := range map[string]any{
		"deleted":      of("a"),
		"found absent": toolscache.DeletedFinalStateUnknown{Key: "shop/posture", Obj: of("a")},
	} {
		memory.Believe(of("a"))
		memory.forgetDeleted(gone)
		if n := len(memory.last); n != 0 {
			t.Errorf("%s: %d are remembered", sentence, n)
		}
	}
	memory.Believe(of("b"))
	memory.forgetDeleted(of("a"))
	if len(memory.last) != 1 {
		t.Error("the one that was created again is forgotten")
	}
}
