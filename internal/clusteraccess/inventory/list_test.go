package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhatIsListedIsInTheOrderOfNames(t *testing.T) {
	list := &networkingv1.NetworkPolicyList{}
	for _, name := range []string{"b", "c", "a"} { // As a cache may list them.
		list.Items = append(list.Items, networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	items, err := Items(list)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range items {
		names = append(names, item.GetName())
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
