package boundedcache

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestLabels(t *testing.T) {
	l := NewLabels()
	selecting := func(uid types.UID, key string) *v1alpha1.SecurityProfile {
		p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{UID: uid}}
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{key: "prod"}
		return p
	}
	requested := func() bool {
		select {
		case <-l.resend:
			return true
		default:
			return false
		}
	}
	small := map[string]string{"tier": "prod", "team": "shop"}
	if diff := cmp.Diff(small, l.Trim(small)); diff != "" {
		t.Error("few labels are not all cached:", diff)
	}
	large := map[string]string{"tier": "prod", "team": "shop", v1alpha1.ProfileLabel: "restricted"}
	trimmed := func(key string) map[string]string {
		return map[string]string{key: large[key], v1alpha1.ProfileLabel: "restricted"}
	}
	for i := range 2000 {
		large[fmt.Sprint("label-", i)] = "x"
	}
	l.Note(selecting("1", "tier"))
	if diff := cmp.Diff(trimmed("tier"), l.Trim(large)); diff != "" {
		t.Error("of many labels, others are cached than those that a profile selects by:", diff)
	}
	l.Note(selecting("1", "tier"))
	if requested() {
		t.Error("no profile selects by a new label, and a resend is requested")
	}
	l.Note(selecting("2", "team"))
	if !requested() {
		t.Error("a profile selects by a trimmed label, and no resend is requested")
	}
	if l.Note(selecting("3", "later")); requested() {
		t.Error("no labels were trimmed since, and a resend is requested")
	}
	l.Forget(selecting("1", "tier"))
	if diff := cmp.Diff(trimmed("team"), l.Trim(large)); diff != "" {
		t.Error("no profile selects by the tier any more:", diff)
	}
}
