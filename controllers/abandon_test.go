package controllers

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// A replica that has just become leader may not have heard yet that the last one made the profile the owner. What it abandons
// without taking the owner away would be deleted with the profile that retains it.
func TestWhatIsAbandonedLosesItsOwnerWhateverTheCacheHolds(t *testing.T) {
	labels := map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "restricted"}
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-x", UID: "u-1", ResourceVersion: "7", Labels: labels}
	tests := map[string]struct {
		cached baseline.Object
		want   string
	}{
		"all owners of an object that is ours alone go, though the cache holds none": {
			&networkingv1.NetworkPolicy{ObjectMeta: meta},
			`{"metadata":{"uid":"u-1","labels":{"app.kubernetes.io/managed-by":"bulwark",
				"security.bulwark.dev/profile":null},"ownerReferences":null}}`,
		},
		"an object that others have a part in must be as the cache holds it": {
			&corev1.ServiceAccount{ObjectMeta: meta},
			`{"metadata":{"resourceVersion":"7","labels":{"security.bulwark.dev/profile":null}}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			object, patch := abandonment(tt.cached)
			data, err := patch.Data(object)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}
