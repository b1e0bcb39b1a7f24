package reportmemory

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

func TestRecall(t *testing.T) {
	key := posture.Key(bytes.Repeat([]byte("k"), posture.KeyLength))
	of := func(uid types.UID, generation int64) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: uid},
			Profile:    "strict", NamespaceUID: "shop-uid", ProfileGeneration: generation,
			Enforcement: v1alpha1.EnforcementEnforce, DriftTotal: 5,
		}
	}
	forged := func(uid types.UID) *v1alpha1.NamespacePosture {
		report := of(uid, 9)
		report.NamespaceUID, report.OperatorState.Seal = "another", "forged"
		return report
	}
	write := func(m *Memory, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
		m.Seal(report)
		m.Keep("shop")
		return m.Believe(report.DeepCopy())
	}
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "shop-uid"}}
	for sentence, tc := range map[string]struct {
		happens func(*Memory) *v1alpha1.NamespacePosture // returns what is read then
		want    int64                                    // the generation that is recalled; 0 is nothing
		own     bool
	}{
		"a report as it is": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture { return write(m, of("a", 1)) }, want: 1, own: true,
		},
		"all that a deleted report said": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture { write(m, of("a", 1)); return nil }, want: 1,
		},
		"all that a deleted report said, if a forged one takes its place": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				return m.Believe(forged("b"))
			}, want: 1,
		},
		"what the later report said, if an earlier one is written again": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				earlier := of("a", 1)
				write(m, earlier)
				write(m, of("a", 2))
				return m.Believe(earlier.DeepCopy())
			}, want: 2,
		},
		"what the later report said, if an earlier one is created again": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				earlier := of("a", 1)
				write(m, earlier)
				write(m, of("a", 2))
				again := earlier.DeepCopy()
				again.UID = "b"
				return m.Believe(again)
			}, want: 2,
		},
		"a report that this replica wrote before the cache observed the last": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				second, third := of("a", 2), of("a", 3)
				m.Seal(second)
				m.Seal(third)
				m.Believe(second)
				return m.Believe(third)
			}, want: 3, own: true,
		},
		"nothing of a deleted report that another replica wrote": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				delete(m.kept, "shop")
				return nil
			},
		},
		"nothing of a report that Bulwark deleted": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				write(m, of("a", 1))
				m.Release("shop")
				return nil
			},
		},
		"nothing of a report of a deleted namespace": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture { write(m, of("a", 1)); m.Forget("shop"); return nil },
		},
		"nothing of a report of another namespace of the same name": {
			happens: func(m *Memory) *v1alpha1.NamespacePosture {
				other := of("a", 1)
				other.NamespaceUID = "of-another"
				write(m, other)
				return nil
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			m := New(key, time.Time{}, clocktesting.NewFakePassiveClock(noon))
			read := tc.happens(m)
			got := m.Recall(shop, read)
			if tc.want == 0 {
				if got != nil {
					t.Fatalf("%+v", got)
				}
				return
			}
			if got == nil || got.ProfileGeneration != tc.want || m.Wrote(got) != tc.own || IsRecalled(got) != (read == nil) {
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
