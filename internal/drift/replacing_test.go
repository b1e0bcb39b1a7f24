package drift

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

func TestOutlives(t *testing.T) {
	toAdmin := func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "admin" }
	deleted := func(b *rbacv1.RoleBinding) { b.DeletionTimestamp = ptr.To(metav1.Now()) }
	tests := map[string]struct {
		want, got         baseline.Object
		tampered, foreign bool
		outlives          bool
	}{
		"a binding of the profile as it was before": {
			want:     binding(),
			got:      edited(binding(), toAdmin),
			outlives: true,
		},
		"a binding that somebody made to another role": {
			want:     binding(),
			got:      edited(binding(), toAdmin),
			tampered: true,
		},
		"a binding as declared that somebody deleted": {
			want:     binding(),
			got:      edited(binding(), deleted),
			tampered: true,
			outlives: true,
		},
		"one to another role that somebody deleted besides": {
			want:     binding(),
			got:      edited(edited(binding(), toAdmin), deleted),
			tampered: true,
		},
		"a binding of another maker that is to be taken over": {
			want:     binding(),
			got:      edited(binding(), toAdmin),
			tampered: true,
			foreign:  true,
			outlives: true,
		},
		"a quota with other scopes by somebody": {
			want: quota(
				"1",
			),
			got: edited(
				quota("1"),
				func(q *corev1.ResourceQuota) { q.Spec.Scopes = []corev1.ResourceQuotaScope{"BestEffort"} },
			),
			tampered: true,
			outlives: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			drifts := Compare(
				[]baseline.Object{tt.want},
				[]baseline.Object{tt.got},
				func(baseline.Object) bool { return !tt.foreign },
			)
			if len(drifts) != 1 || !drifts[0].Replaces() {
				t.Fatalf("want one replacement, got %v", drifts)
			}
			if got := drifts[0].Outlives(tt.tampered); got != tt.outlives {
				t.Errorf("want %v, got %v", tt.outlives, got)
			}
		})
	}
}

func TestRestored(t *testing.T) {
	want := edited(binding(), func(b *rbacv1.RoleBinding) {
		b.Labels = map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "next"}
		b.OwnerReferences = []metav1.OwnerReference{
			{APIVersion: "security.bulwark.dev/v1alpha1", Kind: "SecurityProfile", Name: "next"},
		}
	})
	got := edited(binding(), func(b *rbacv1.RoleBinding) {
		b.RoleRef.Name = "admin"
		b.UID, b.ResourceVersion, b.Generation, b.Finalizers = types.UID("u"), "7", 3, []string{"example.com/hold"}
		b.Labels = map[string]string{v1alpha1.ProfileLabel: "former", "cost": "a"}
		b.DeletionTimestamp, b.CreationTimestamp = ptr.To(metav1.Now()), metav1.Now()
	})
	before := got.DeepCopy()
	for sentence, foreign := range map[string]bool{"of ours": false, "of another maker": true} {
		t.Run(sentence, func(t *testing.T) {
			d := Drift{
				Object:  baseline.Reference(want),
				Change:  v1alpha1.DriftChangeModified,
				Want:    want,
				Got:     got,
				Foreign: foreign,
			}
			restored := edited(binding(), func(b *rbacv1.RoleBinding) {
				b.RoleRef.Name = "admin"
				b.Labels, b.OwnerReferences = got.Labels, got.OwnerReferences
				if !foreign {
					b.Labels = map[string]string{
						v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "next", "cost": "a",
					}
					b.OwnerReferences = want.OwnerReferences
				}
				b.ManagedFields = nil
			})
			if diff := cmp.Diff(baseline.Object(restored), d.Restored(), cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, got); diff != "" {
				t.Errorf("the object that was found has changed (-before +now):\n%s", diff)
			}
		})
	}
}
