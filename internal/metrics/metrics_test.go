package metrics

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestACorrectionTakesNoNegativeTime(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := New(registry)
	if err != nil {
		t.Fatal(err)
	}
	metrics.Corrected("restricted", "Role", 2*time.Second)
	metrics.Corrected("restricted", "Role", -time.Hour) // The clock was set back.
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "bulwark_correction_duration_seconds" {
			continue
		}
		histogram := family.GetMetric()[0].GetHistogram()
		if histogram.GetSampleCount() != 2 || histogram.GetSampleSum() != 2 {
			t.Errorf("want 2 corrections in 2 seconds, got %d in %v", histogram.GetSampleCount(), histogram.GetSampleSum())
		}
	}
}

func TestTheReasonOfAnErrorIsOneOfAFew(t *testing.T) {
	answered := func(reason metav1.StatusReason) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: reason}}
	}
	for it, test := range map[string]struct {
		err  error
		want string
	}{
		"Kubernetes' own stays":                  {apierrors.NewForbidden(rbacv1.Resource("roles"), "x", nil), "Forbidden"},
		"a webhook's own is another":             {answered("Because\nI say so 17"), "Other"},
		"an error that nobody answered has none": {errors.New("connection refused"), "Unreachable"},
	} {
		t.Run(it, func(t *testing.T) {
			if got := reasonOf(test.err); got != test.want {
				t.Errorf("want %s, got %s", test.want, got)
			}
		})
	}
}
