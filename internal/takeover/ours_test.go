package takeover

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestOnlyWhatBulwarkHasSetReplacedAnything(t *testing.T) {
	entry := func(manager, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Subresource: subresource, Operation: metav1.ManagedFieldsOperationApply,
			FieldsV1: metav1.NewFieldsV1(fields),
		}
	}
	const enforces = `{"f:metadata":{"f:labels":{"f:` + enforce + `":{}}}}`
	before := labels{enforce: "baseline", warn: "privileged"}
	for sentence, tc := range map[string]struct {
		managedFields []metav1.ManagedFieldsEntry
		want          labels
	}{
		"nobody is known to have set anything":   {},
		"Bulwark has set one of them":            {[]metav1.ManagedFieldsEntry{entry(v1alpha1.FieldManager, "", enforces)}, labels{enforce: "baseline"}},
		"somebody else has":                      {[]metav1.ManagedFieldsEntry{entry("kubectl", "", enforces)}, nil},
		"what was given back is no more its own": {[]metav1.ManagedFieldsEntry{entry(v1alpha1.ReturningFieldManager, "", enforces)}, nil},
		"Bulwark has in another subresource":     {[]metav1.ManagedFieldsEntry{entry(v1alpha1.FieldManager, "status", enforces)}, nil},
		"Bulwark has set an annotation of that name": {[]metav1.ManagedFieldsEntry{
			entry(v1alpha1.FieldManager, "", `{"f:metadata":{"f:annotations":{"f:`+enforce+`":{}}}}`),
		}, nil},
		"nothing can be read": {[]metav1.ManagedFieldsEntry{entry(v1alpha1.FieldManager, "", `[`)}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, OfOurs(before, tc.managedFields), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("given back (-want +got):\n%s", diff)
			}
		})
	}
}
