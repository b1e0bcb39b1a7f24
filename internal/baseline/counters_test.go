package baseline

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCounters(t *testing.T) {
	var got []string
	for _, counter := range Counters() {
		got = append(got, counter.Entry)
	}
	want := []string{
		"count/networkpolicies.networking.k8s.io",
		"count/limitranges",
		"resourcequotas",
		"count/resourcequotas",
		"count/serviceaccounts",
		"count/roles.rbac.authorization.k8s.io",
		"count/rolebindings.rbac.authorization.k8s.io",
		"count/namespacepostures.security.bulwark.dev",
		"count/reports.openreports.io",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, kind := range NamespacedKinds {
		if !slices.ContainsFunc(Counters(), func(c Counter) bool { return c.Kind == kind.Kind }) {
			t.Errorf("nothing counts a %s", kind.Kind)
		}
	}
}
