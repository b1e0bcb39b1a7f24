package controllers

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

func TestWhatIsBelievedOfReports(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	of := func(uid types.UID, total int64) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: uid, CreationTimestamp: metav1.NewTime(noon)},
			Profile:    "strict", Enforcement: v1alpha1.Enforce, DriftTotal: total,
		}
	}
	sealed := func(uid types.UID, total int64) *v1alpha1.NamespacePosture {
		report := of(uid, total)
		report.Seal = key.Seal(report)
		return report
	}
	forged := func(uid types.UID) *v1alpha1.NamespacePosture {
		report := sealed(uid, 5)
		report.DriftTotal = math.MaxInt64
		return report
	}
	nothing := posture.Disbelieved(of("a", 0))
	for sentence, tc := range map[string]struct {
		key     posture.Key
		since   time.Time
		reports []*v1alpha1.NamespacePosture
		want    *v1alpha1.NamespacePosture
		written bool
	}{
		"a sealed one, all":                                     {key, time.Time{}, []*v1alpha1.NamespacePosture{sealed("a", 5)}, sealed("a", 5), true},
		"a forged one, nothing":                                 {key, time.Time{}, []*v1alpha1.NamespacePosture{forged("a")}, nothing, false},
		"an unsealed one, nothing":                              {key, time.Time{}, []*v1alpha1.NamespacePosture{of("a", 5)}, nothing, false},
		"a forged one after a sealed one, what that said":       {key, time.Time{}, []*v1alpha1.NamespacePosture{sealed("a", 5), forged("a")}, of("a", 5), false},
		"forged ones again and again":                           {key, time.Time{}, []*v1alpha1.NamespacePosture{sealed("a", 5), forged("a"), of("a", 9), forged("a")}, of("a", 5), false},
		"a sealed one after a forged one":                       {key, time.Time{}, []*v1alpha1.NamespacePosture{forged("a"), sealed("a", 5)}, sealed("a", 5), true},
		"an earlier one written once more, what the later said": {key, time.Time{}, []*v1alpha1.NamespacePosture{sealed("a", 5), sealed("a", 3)}, of("a", 5), false},
		"a forged one that was made anew, nothing":              {key, time.Time{}, []*v1alpha1.NamespacePosture{sealed("b", 5), forged("a")}, nothing, false},
		"a sealed one that was made anew, all":                  {key, time.Time{}, []*v1alpha1.NamespacePosture{sealed("b", 5), sealed("a", 0)}, sealed("a", 0), true},
		"an unsealed one from before the key, what can be true": {key, noon.Add(time.Minute), []*v1alpha1.NamespacePosture{of("a", 5)}, of("a", 5), false},
		"an unsealed one from after the key, nothing":           {key, noon.Add(-time.Minute), []*v1alpha1.NamespacePosture{of("a", 5)}, nothing, false},
		"any without a key, what can be true":                   {nil, time.Time{}, []*v1alpha1.NamespacePosture{of("a", 5)}, of("a", 5), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			memory := NewReportMemory(tc.key, tc.since, clocktesting.NewFakePassiveClock(noon))
			var got *v1alpha1.NamespacePosture
			for _, report := range tc.reports {
				got = memory.believe(report.DeepCopy())
				if diff := cmp.Diff(got, memory.believe(got.DeepCopy())); diff != "" {
					t.Errorf("asked twice:\n%s", diff)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if written := memory.wrote(got); written != tc.written {
				t.Errorf("it is taken for Bulwark's own: %t", written)
			}
		})
	}
}

// A live read is ahead of the cache, which still hears of what was before.
func TestALiveReadMakesNoEarlierReportAForgery(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	sealed := func(total int64) *v1alpha1.NamespacePosture {
		report := &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: "a"}, DriftTotal: total,
		}
		report.Seal = key.Seal(report)
		return report
	}
	memory := NewReportMemory(key, time.Time{}, clocktesting.NewFakePassiveClock(noon))
	for _, live := range []*v1alpha1.NamespacePosture{sealed(3), sealed(1)} {
		memory.believe(sealed(1))
		if got := memory.judgeLive(live); got.Seal == "" {
			t.Errorf("the live one of %d drifts is not believed", live.DriftTotal)
		}
		if got := memory.believe(sealed(2)); got.Seal == "" {
			t.Errorf("the cached one is not believed after a live one of %d drifts", live.DriftTotal)
		}
		memory.forget("shop")
	}
}

// A replica that does not lead reconciles nothing, and must forget reports all the same.
func TestReportsThatAreGoneAreForgotten(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	memory := NewReportMemory(key, time.Time{}, clocktesting.NewFakePassiveClock(noon))
	of := func(uid types.UID) *v1alpha1.NamespacePosture {
		report := &v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: uid}}
		report.Seal = key.Seal(report)
		return report
	}
	for sentence, gone := range map[string]any{
		"heard of":     of("a"),
		"found absent": toolscache.DeletedFinalStateUnknown{Key: "shop/posture", Obj: of("a")},
	} {
		memory.believe(of("a"))
		memory.forgetDeleted(gone)
		if n := len(memory.last); n != 0 {
			t.Errorf("%s: %d are remembered", sentence, n)
		}
	}
	memory.believe(of("b"))
	memory.forgetDeleted(of("a"))
	if len(memory.last) != 1 {
		t.Error("the one that was made anew is forgotten")
	}
}
