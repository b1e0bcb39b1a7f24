package events

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// told is what a recorder was given.
type told struct {
	Regarding, Type, Reason, Action, Note string
	Related                               *corev1.ObjectReference
}

// notebook is a recorder that remembers.
type notebook struct{ told []told }

func (b *notebook) Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any) {
	one := told{
		Regarding: kindOf(regarding), Type: eventType, Reason: reason, Action: action, Note: fmt.Sprintf(note, args...),
	}
	if related != nil {
		one.Related = related.(*corev1.ObjectReference)
	}
	b.told = append(b.told, one)
}

var (
	shop    = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	profile = &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted"}}
)

func TestWhomATellerTells(t *testing.T) {
	role := v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role", Name: "bulwark-dev"}
	namespace := v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "shop"}
	notice := func(of v1alpha1.ObjectReference) Notice {
		return Notice{Object: of, Type: "Warning", Reason: "DriftDetected", Action: "Compare", Note: "it differs"}
	}
	as := func(regarding, note string, related *corev1.ObjectReference) told {
		return told{
			Regarding: regarding, Type: "Warning", Reason: "DriftDetected", Action: "Compare", Note: note, Related: related,
		}
	}
	inShop := &corev1.ObjectReference{APIVersion: role.APIVersion, Kind: "Role", Namespace: "shop", Name: "bulwark-dev"}
	shopItself := &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "shop"}
	for sentence, tc := range map[string]struct {
		tell func(*Teller)
		want []told
	}{
		"both are told of an object of the namespace": {
			tell: func(t *Teller) { t.TellBoth(shop, profile, notice(role)) },
			want: []told{
				as("Namespace", "it differs", inShop), as("SecurityProfile", "namespace shop: it differs", inShop),
			},
		},
		"the namespace itself is in none": {
			tell: func(t *Teller) { t.Tell(shop, "shop", notice(namespace)) },
			want: []told{as("Namespace", "it differs", shopItself)},
		},
		"the profile alone is told what it is told": {
			tell: func(t *Teller) { t.Tell(profile, "shop", notice(role)) },
			want: []told{as("SecurityProfile", "it differs", inShop)},
		},
		"always, of a cluster-scoped object": {
			tell: func(t *Teller) { t.TellAlways(profile, notice(role)) },
			want: []told{as("SecurityProfile", "it differs", &corev1.ObjectReference{
				APIVersion: role.APIVersion, Kind: "Role", Name: "bulwark-dev",
			})},
		},
		"always, of no object": {
			tell: func(t *Teller) { t.TellAlways(shop, notice(v1alpha1.ObjectReference{})) },
			want: []told{as("Namespace", "it differs", nil)},
		},
		"no verbs are read in a note": {
			tell: func(t *Teller) { t.TellAlways(shop, Notice{Note: "100%d"}) },
			want: []told{{Regarding: "Namespace", Note: "100%d"}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			recorder := &notebook{}
			tc.tell(NewTeller(recorder, testingclock.NewFakePassiveClock(start)))
			if diff := cmp.Diff(tc.want, recorder.told); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestATellerKeepsToTheBudget(t *testing.T) {
	recorder := &notebook{}
	teller := NewTeller(recorder, testingclock.NewFakePassiveClock(start))
	for n := range many {
		teller.TellBoth(shop, profile, Notice{Object: object(n), Reason: "DriftDetected", Note: "it differs"})
	}
	for regarding, want := range map[string]string{
		"Namespace": Note, "SecurityProfile": "namespace shop: " + Note,
	} {
		mine := slices.DeleteFunc(slices.Clone(recorder.told), func(e told) bool { return e.Regarding != regarding })
		if len(mine) != Most+1 {
			t.Errorf("the %s was told %d times, want %d", regarding, len(mine), Most+1)
		}
		more := told{
			Regarding: regarding, Reason: "DriftDetected", Note: want,
			Related: &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "shop"},
		}
		if diff := cmp.Diff(more, mine[len(mine)-1]); diff != "" {
			t.Errorf("the last one (-want +got):\n%s", diff)
		}
	}
	recorder.told = nil
	for n := range many {
		teller.TellAlways(profile, Notice{Object: object(n), Reason: "DriftDetected", Note: "it differs"})
	}
	if len(recorder.told) != many {
		t.Errorf("always is %d times of %d", len(recorder.told), many)
	}
}

func TestNotesAreCutAsTheAPIServerCounts(t *testing.T) {
	for sentence, tc := range map[string]struct{ note, want string }{
		"a short note stays":                       {"short", "short"},
		"1024 bytes stay":                          {strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		"of 1025 there is room for 1021 and …":     {strings.Repeat("a", 1025), strings.Repeat("a", 1021) + "…"},
		"bytes count, not characters":              {strings.Repeat("ö", 600), strings.Repeat("ö", 510) + "…"},
		"a character is taken whole or not at all": {"a" + strings.Repeat("€", 400), "a" + strings.Repeat("€", 340) + "…"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cut(tc.note)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
