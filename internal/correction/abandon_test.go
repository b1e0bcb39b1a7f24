package correction

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// A replica that has just become leader may not have heard yet that the last one made the profile
// the owner. What it abandons without taking the owner away would be deleted with the profile that
// retains it.
func TestWhatIsAbandonedLosesItsOwnerWhateverTheCacheHolds(t *testing.T) {
	labels := map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "restricted"}
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-x", UID: "u-1", ResourceVersion: "7", Labels: labels}
	tests := map[string]struct {
		cached baseline.Object
		made   bool
		want   string
	}{
		"all owners of an object that is ours alone go, though the cache holds none": {
			&networkingv1.NetworkPolicy{ObjectMeta: meta}, true,
			`{"metadata":{"uid":"u-1","labels":{"app.kubernetes.io/managed-by":"bulwark",
				"security.bulwark.dev/profile":null},"ownerReferences":null}}`,
		},
		"one of which somebody has taken away who made it says so again": {
			&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-x", UID: "u-1"}}, true,
			`{"metadata":{"uid":"u-1","labels":{"app.kubernetes.io/managed-by":"bulwark",
				"security.bulwark.dev/profile":null},"ownerReferences":null}}`,
		},
		"one that bears our label and another maker's name stays that maker's": {
			&networkingv1.NetworkPolicy{ObjectMeta: meta}, false,
			`{"metadata":{"uid":"u-1","labels":{"security.bulwark.dev/profile":null},"ownerReferences":null}}`,
		},
		"also one that others have a part in": {
			&corev1.ServiceAccount{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-x", ResourceVersion: "7"},
			},
			true,
			`{"metadata":{"resourceVersion":"7","labels":{"app.kubernetes.io/managed-by":"bulwark"}}}`,
		},
		"an object that others have a part in must be as the cache holds it": {
			&corev1.ServiceAccount{ObjectMeta: meta}, true,
			`{"metadata":{"resourceVersion":"7","labels":{"security.bulwark.dev/profile":null}}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			object, patch := abandonment(tt.cached, tt.made)
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

func TestWhatIsAbandonedIsLeftAlone(t *testing.T) {
	profile := []metav1.OwnerReference{
		{APIVersion: v1alpha1.GroupVersion.String(), Kind: "SecurityProfile", Name: "restricted"},
	}
	other := []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x"}}
	policy := func(owners []metav1.OwnerReference, labels map[string]string) baseline.Object {
		return &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "bulwark-x", Labels: labels, OwnerReferences: owners},
		}
	}
	account := func(name string, owners []metav1.OwnerReference, labels map[string]string) baseline.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, OwnerReferences: owners}}
	}
	ours, others := map[string]string{
		v1alpha1.ManagedByLabel: v1alpha1.ManagedBy,
	}, map[string]string{
		v1alpha1.ManagedByLabel: "somebody",
	}
	labelled := map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "restricted"}
	for name, test := range map[string]struct {
		object baseline.Object
		want   bool
	}{
		"abandoned":                              {policy(nil, ours), true},
		"a profile's":                            {policy(nil, labelled), false},
		"stripped of all":                        {policy(nil, nil), false},
		"owned by a profile":                     {policy(profile, ours), false},
		"owned by a tenant's":                    {policy(other, ours), false},
		"with another maker's name":              {policy(nil, others), false},
		"an account that is abandoned":           {account("bulwark-x", nil, ours), true},
		"an account with an owner of its own":    {account("bulwark-x", other, ours), true},
		"an account that is stripped of all":     {account("bulwark-x", nil, nil), false},
		"the namespace's own account":            {account("default", nil, nil), true},
		"the namespace's own account, labelled":  {account("default", nil, labelled), false},
		"the namespace's own account, but owned": {account("default", profile, nil), false},
	} {
		if got := isAbandoned(test.object); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

// The cache holds none of a namespace's annotations but Bulwark's own: to write the difference
// would take all others away.
func TestANamespaceIsAbandonedWithTheAnnotationsOfOthers(t *testing.T) {
	owner := metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Team", Name: "a", UID: "u-2"}
	profile := metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(),
		Kind:       "SecurityProfile",
		Name:       "p",
		UID:        "u-3",
		Controller: ptr.To(true),
	}
	meta := metav1.ObjectMeta{
		Name:            "shop",
		ResourceVersion: "7",
		Labels:          map[string]string{v1alpha1.ProfileLabel: "p", "team": "a"},
	}
	owned := *meta.DeepCopy()
	owned.OwnerReferences = []metav1.OwnerReference{owner, profile}
	unowned := *meta.DeepCopy()
	unowned.OwnerReferences = []metav1.OwnerReference{owner}
	const begins = `{"metadata":{"annotations":{"security.bulwark.dev/pod-security-before":null},"labels":{"security.bulwark.dev/images":null,"security.bulwark.dev/profile":null,"security.bulwark.dev/workloads":null},`
	for sentence, tc := range map[string]struct {
		meta metav1.ObjectMeta
		want string
	}{
		"its owner stays": {unowned, begins + `"resourceVersion":"7"}}`},
		"a profile is no owner of it": {owned, begins +
			`"ownerReferences":[{"apiVersion":"example.com/v1","kind":"Team","name":"a","uid":"u-2"}],"resourceVersion":"7"}}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			ns := &corev1.Namespace{ObjectMeta: tc.meta}
			patch, err := namespaceAbandonment(ns)
			if err != nil {
				t.Fatal(err)
			}
			got, err := patch.Data(ns)
			if diff := cmp.Diff(tc.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v, the patch (-want +got):\n%s", err, diff)
			}
		})
	}
}
