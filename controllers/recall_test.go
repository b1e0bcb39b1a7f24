package controllers

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

func TestWhatIsRecalledOfAReport(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	of := func(uid types.UID, generation int64) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: uid},
			Profile:    "strict", NamespaceUID: "shop-uid", ProfileGeneration: generation, Enforcement: v1alpha1.Enforce, DriftTotal: 5,
		}
	}
	forged := func(uid types.UID) *v1alpha1.NamespacePosture {
		report := of(uid, 9)
		report.NamespaceUID, report.Seal = "another", "forged"
		return report
	}
	write := func(m *ReportMemory, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
		m.seal(report)
		m.keep("shop")
		return m.believe(report.DeepCopy())
	}
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "shop-uid"}}
	for sentence, tc := range map[string]struct {
		happens func(*ReportMemory) *v1alpha1.NamespacePosture // and is read then
		want    int64                                          // the generation that is recalled; 0 is nothing
		own     bool
	}{
		"one that is there, as it is": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture { return write(m, of("a", 1)) }, want: 1, own: true,
		},
		"one that was deleted, all": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture { write(m, of("a", 1)); return nil }, want: 1,
		},
		"one that was forged in its place, all that the other said": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				return m.believe(forged("b"))
			}, want: 1,
		},
		"an earlier one that was written once more, what the later said": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				earlier := of("a", 1)
				write(m, earlier)
				write(m, of("a", 2))
				return m.believe(earlier.DeepCopy())
			}, want: 2,
		},
		"an earlier one that was made anew, what the later said": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				earlier := of("a", 1)
				write(m, earlier)
				write(m, of("a", 2))
				again := earlier.DeepCopy()
				again.UID = "b"
				return m.believe(again)
			}, want: 2,
		},
		"one that this replica wrote before the last was seen, that": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				second, third := of("a", 2), of("a", 3)
				m.seal(second)
				m.seal(third)
				m.believe(second)
				return m.believe(third)
			}, want: 3, own: true,
		},
		"one that another replica wrote, nothing once it is deleted": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				delete(m.kept, "shop")
				return nil
			},
		},
		"one that Bulwark took away, nothing": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				m.release("shop")
				return nil
			},
		},
		"one of a namespace that is gone, nothing": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture { write(m, of("a", 1)); m.forget("shop"); return nil },
		},
		"one of another namespace of that name, nothing": {
			happens: func(m *ReportMemory) *v1alpha1.NamespacePosture {
				other := of("a", 1)
				other.NamespaceUID = "of-another"
				write(m, other)
				return nil
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			m := NewReportMemory(key, time.Time{}, clocktesting.NewFakePassiveClock(noon))
			read := tc.happens(m)
			got := m.recall(shop, read)
			if tc.want == 0 {
				if got != nil {
					t.Fatalf("%+v", got)
				}
				return
			}
			if got == nil || got.ProfileGeneration != tc.want || m.wrote(got) != tc.own || isRecalled(got) != (read == nil) {
				t.Errorf("%+v", got)
			}
			if read != nil {
				if diff := cmp.Diff(read.ObjectMeta, got.ObjectMeta); diff != "" {
					t.Errorf("the metadata (-want +got):\n%s", diff)
				}
			}
		})
	}
}
