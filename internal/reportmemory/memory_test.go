package reportmemory

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestBelieve(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	of := func(uid types.UID, total int64) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: v1alpha1.PostureName, UID: uid, CreationTimestamp: metav1.NewTime(noon),
			},
			Profile: "strict", Enforcement: v1alpha1.EnforcementEnforce, DriftTotal: total,
		}
	}
	sealed := func(uid types.UID, total int64) *v1alpha1.NamespacePosture {
		report := of(uid, total)
		report.OperatorState.Seal = key.Seal(report)
		return report
	}
	forged := func(uid types.UID) *v1alpha1.NamespacePosture {
		report := sealed(uid, 5)
		report.DriftTotal = math.MaxInt64
		return report
	}
	nothing := posture.Disbelieved(of("a", 0))
	type reports = []*v1alpha1.NamespacePosture
	for sentence, tc := range map[string]struct {
		key     posture.Key
		since   time.Time
		reports reports
		want    *v1alpha1.NamespacePosture
		written bool
	}{
		"all that a sealed report says": {key, time.Time{}, reports{sealed("a", 5)}, sealed("a", 5), true},
		"nothing of a forged one":       {key, time.Time{}, reports{forged("a")}, nothing, false},
		"nothing of an unsealed one":    {key, time.Time{}, reports{of("a", 5)}, nothing, false},
		"what a sealed one said before it was forged": {
			key, time.Time{}, reports{sealed("a", 5), forged("a")}, of("a", 5), false,
		},
		"what it said before it was forged again and again": {
			key, time.Time{}, reports{sealed("a", 5), forged("a"), of("a", 9), forged("a")}, of("a", 5), false,
		},
		"all that a sealed one says after a forged one": {
			key, time.Time{}, reports{forged("a"), sealed("a", 5)}, sealed("a", 5), true,
		},
		"what the later one said, if an earlier one is written again": {
			key, time.Time{}, reports{sealed("a", 5), sealed("a", 3)}, of("a", 5), false,
		},
		"nothing of a forged one that was created again": {
			key, time.Time{}, reports{sealed("b", 5), forged("a")}, nothing, false,
		},
		"all that a sealed one says that was created again": {
			key, time.Time{}, reports{sealed("b", 5), sealed("a", 0)}, sealed("a", 0), true,
		},
		"what can be true of an unsealed one from before the key": {
			key, noon.Add(time.Minute), reports{of("a", 5)}, of("a", 5), false,
		},
		"nothing of an unsealed one from after the key": {
			key, noon.Add(-time.Minute), reports{of("a", 5)}, nothing, false,
		},
		"what can be true of any without a key": {nil, time.Time{}, reports{of("a", 5)}, of("a", 5), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			memory := New(tc.key, tc.since, clocktesting.NewFakePassiveClock(noon))
			var got *v1alpha1.NamespacePosture
			for _, report := range tc.reports {
				got = memory.Believe(report.DeepCopy())
				if diff := cmp.Diff(got, memory.Believe(got.DeepCopy())); diff != "" {
					t.Errorf("asked twice:\n%s", diff)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if written := memory.Wrote(got); written != tc.written {
				t.Errorf("it is taken for Bulwark's own: %t", written)
			}
		})
	}
}

// A live read is ahead of the cache, which still observes earlier versions.
func TestALiveReadMakesNoEarlierReportAForgery(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	sealed := func(total int64) *v1alpha1.NamespacePosture {
		report := &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: "a"}, DriftTotal: total,
		}
		report.OperatorState.Seal = key.Seal(report)
		return report
	}
	memory := New(key, time.Time{}, clocktesting.NewFakePassiveClock(noon))
	for _, live := range []*v1alpha1.NamespacePosture{sealed(3), sealed(1)} {
		memory.Believe(sealed(1))
		if got := memory.judgeLive(live); got.OperatorState.Seal == "" {
			t.Errorf("the live one of %d drifts is not believed", live.DriftTotal)
		}
		if got := memory.Believe(sealed(2)); got.OperatorState.Seal == "" {
			t.Errorf("the cached one is not believed after a live one of %d drifts", live.DriftTotal)
		}
		memory.Forget("shop")
	}
}
