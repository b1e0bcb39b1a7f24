package drift

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStatusEntriesOf(t *testing.T) {
	const pods, both = `{"f:status":{"f:hard":{"f:pods":{}}}}`, `{"f:status":{"f:hard":{"f:count/roles.rbac.authorization.k8s.io":{},"f:pods":{}},"f:used":{"f:cpu":{}}}}`
	by := func(manager, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	for sentence, tt := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    []string
	}{
		"nobody has set any":            {},
		"Bulwark has set one":           {[]metav1.ManagedFieldsEntry{by("bulwark", "status", pods)}, []string{"pods"}},
		"Bulwark has set several":       {[]metav1.ManagedFieldsEntry{by("bulwark", "status", both)}, []string{"count/roles.rbac.authorization.k8s.io", "pods"}},
		"somebody else has":             {[]metav1.ManagedFieldsEntry{by("kube-controller-manager", "status", both)}, nil},
		"Bulwark has set the spec only": {[]metav1.ManagedFieldsEntry{by("bulwark", "", `{"f:spec":{"f:hard":{"f:pods":{}}}}`)}, nil},
		"nothing can be read":           {[]metav1.ManagedFieldsEntry{by("bulwark", "status", `{"f:status":`), {Manager: "bulwark", Subresource: "status"}}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := StatusEntriesOf(tt.entries, "hard")
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
