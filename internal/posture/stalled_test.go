package posture

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

const why = "SecurityProfile p cannot be carried out: bad; what is in place stays as it is, and drift is not corrected until the profile is mended"

func TestStalled(t *testing.T) {
	reported := func(changes ...func(*v1alpha1.NamespacePosture)) *v1alpha1.NamespacePosture {
		report := &v1alpha1.NamespacePosture{
			ObjectMeta:        metav1.ObjectMeta{Namespace: "shop", Name: "posture", UID: "r-1", ResourceVersion: "7"},
			Profile:           "p",
			NamespaceUID:      "u-1",
			ProfileGeneration: 3,
			Enforcement:       v1alpha1.EnforcementEnforce,
			Status:            posturetest.Readiness(true),
			Summary: v1alpha1.PostureSummary{
				Compliant: 4,
			},
			Objects:    []v1alpha1.ManagedObject{{State: v1alpha1.ObjectStateCompliant}},
			DriftTotal: 9,
		}
		for _, change := range changes {
			change(report)
		}
		return report
	}
	type said struct {
		Profile, Stalled string
		Ready            bool
		Generation       int64
		Enforcement      v1alpha1.Enforcement
		Compliant        int32
		DriftTotal       int64
		Finalizers       int
		Label            string
	}
	for sentence, tc := range map[string]struct {
		previous *v1alpha1.NamespacePosture
		audits   bool
		want     said
	}{
		"a first report says no more than that": {want: said{Enforcement: v1alpha1.EnforcementEnforce}},
		"the enforcement is that of its last valid spec": {
			audits: true, want: said{Enforcement: v1alpha1.EnforcementAudit},
		},
		"what was known before stays": {
			previous: reported(), want: said{Enforcement: v1alpha1.EnforcementEnforce, Compliant: 4, DriftTotal: 9},
		},
		"also if another profile is named": {
			previous: reported(func(r *v1alpha1.NamespacePosture) { r.Profile = "other" }),
			want:     said{Enforcement: v1alpha1.EnforcementEnforce, Compliant: 4, DriftTotal: 9},
		},
		"and if an older release wrote it": {
			previous: reported(func(r *v1alpha1.NamespacePosture) { r.NamespaceUID = "" }),
			want:     said{Enforcement: v1alpha1.EnforcementEnforce, Compliant: 4, DriftTotal: 9},
		},
		"nothing is known of another namespace of that name": {
			previous: reported(func(r *v1alpha1.NamespacePosture) { r.NamespaceUID = "u-0" }), want: said{Enforcement: v1alpha1.EnforcementEnforce},
		},
		"a finalizer of somebody else is taken off": {
			previous: reported(func(r *v1alpha1.NamespacePosture) { r.Finalizers = []string{"example.com/hold"} }),
			want:     said{Enforcement: v1alpha1.EnforcementEnforce, Compliant: 4, DriftTotal: 9},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "p-1", Generation: 5}}
			if tc.audits {
				profile.Spec.Enforcement = v1alpha1.EnforcementAudit
			}
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "u-1"}}
			before := tc.previous.DeepCopy()
			got := Stalled(profile, ns, tc.previous, errors.New("bad"), noon)
			tc.want.Profile, tc.want.Stalled, tc.want.Generation, tc.want.Label = "p", why, 5, "p"
			if diff := cmp.Diff(tc.want, said{
				got.Profile,
				got.Stalled(),
				got.IsReady(),
				got.ProfileGeneration,
				got.Enforcement,
				got.Summary.Compliant,
				got.DriftTotal,
				len(got.Finalizers),
				got.Labels[v1alpha1.ProfileLabel],
			}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.previous); diff != "" {
				t.Errorf("the report of before was changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(got, Stalled(profile, ns, got, errors.New("bad"), noon.Add(time.Hour))); diff != "" {
				t.Errorf("said again, it is another report (-first +second):\n%s", diff)
			}
		})
	}
}

// The schema bounds the field.
func TestWhyAProfileIsBrokenIsBounded(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("n", 63)}}
	got := Stalled(profile, &corev1.Namespace{}, nil, errors.New(strings.Repeat("é", 9000)), noon).Stalled()
	if n := utf8.RuneCountInString(got); n > 1400 || !strings.HasSuffix(got, "until the profile is mended") {
		t.Errorf("%d characters, that end with %q", n, got[len(got)-40:])
	}
}
