package counting

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestRefusalIn(t *testing.T) {
	for sentence, tt := range map[string]struct {
		words string
		want  Refusal
		not   bool
	}{
		"a quota is exceeded": {
			words: `networkpolicies.networking.k8s.io "bulwark-default-deny" is forbidden: exceeded quota: bulwark-objects, ` +
				`requested: count/networkpolicies.networking.k8s.io=1, used: count/networkpolicies.networking.k8s.io=3, limited: count/networkpolicies.networking.k8s.io=3`,
			want: Refusal{Quota: "bulwark-objects", Requested: list("count/networkpolicies.networking.k8s.io", "1"),
				Used: list("count/networkpolicies.networking.k8s.io", "3"), Limited: list("count/networkpolicies.networking.k8s.io", "3")},
		},
		"by two of its entries": {
			words: `resourcequotas "bulwark-b" is forbidden: exceeded quota: bulwark-a, requested: count/resourcequotas=1,resourcequotas=1, ` +
				`used: count/resourcequotas=1,resourcequotas=1, limited: count/resourcequotas=1,resourcequotas=1`,
			want: Refusal{Quota: "bulwark-a", Requested: list("count/resourcequotas", "1", "resourcequotas", "1"),
				Used: list("count/resourcequotas", "1", "resourcequotas", "1"), Limited: list("count/resourcequotas", "1", "resourcequotas", "1")},
		},
		"a quota has not been counted": {
			words: `namespacepostures.security.bulwark.dev "posture" is forbidden: status unknown for quota: bulwark-objects, resources: count/namespacepostures.security.bulwark.dev`,
			want:  Refusal{Quota: "bulwark-objects", Uncounted: names{"count/namespacepostures.security.bulwark.dev"}},
		},
		"somebody may not": {
			words: `roles.rbac.authorization.k8s.io "bulwark-developer" is forbidden: user "bulwark" is attempting to grant RBAC permissions not currently held`, not: true,
		},
		"an admission policy that speaks of quotas": {
			words: `pods "p" is forbidden: ValidatingAdmissionPolicy 'x' denied request: exceeded quota: bulwark-objects, requested: pods=1, used: pods=1, limited: pods=1`, not: true,
		},
		"an amount that is none": {
			words: `pods "p" is forbidden: exceeded quota: q, requested: pods=many, used: pods=1, limited: pods=1`, not: true,
		},
		"nothing": {not: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, refused := RefusalIn(tt.words)
			if refused == tt.not {
				t.Fatalf("refused by a quota: %t", refused)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpening(t *testing.T) {
	for sentence, tt := range map[string]struct {
		refusal      Refusal
		room         int64
		declared     corev1.ResourceList
		open, closed Entries
	}{
		"it is just full": {Refusal{Requested: list("pods", "1"), Used: list("pods", "2")}, 0, list("pods", "2"), amounts("pods", "3"), amounts("pods", "2")},
		"it is overfull":  {Refusal{Requested: list("pods", "1"), Used: list("pods", "7")}, 0, list("pods", "2"), amounts("pods", "8"), amounts("pods", "2")},
		"it has been filled twice while it was open": {
			Refusal{Requested: list("pods", "1"), Used: list("pods", "4")}, 2, list("pods", "2"), amounts("pods", "7"), amounts("pods", "2"),
		},
		"it is not counted": {Refusal{Uncounted: names{"pods"}}, 0, list("pods", "2"), amounts("pods", ""), amounts("pods", "2")},
		"it does not declare it any more": {
			Refusal{Requested: list("pods", "1"), Used: list("pods", "2")}, 0, list("cpu", "1"), amounts("pods", "3"), amounts("pods", ""),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			open := tt.refusal.Opening(tt.room)
			if diff := cmp.Diff(tt.open, open); diff != "" {
				t.Errorf("to open it (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.closed, open.Closing(quota(tt.declared, nil, nil))); diff != "" {
				t.Errorf("to close it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKnows(t *testing.T) {
	for sentence, tt := range map[string]struct {
		refusal Refusal
		opened  Entries
		want    bool
	}{
		"it has not been opened":            {Refusal{Limited: list("pods", "2")}, amounts(), true},
		"another entry has been":            {Refusal{Limited: list("pods", "2")}, amounts("cpu", "9"), true},
		"it was opened, and not heard of":   {Refusal{Limited: list("pods", "2")}, amounts("pods", "3"), false},
		"it was opened, and filled":         {Refusal{Limited: list("pods", "3")}, amounts("pods", "3"), true},
		"it was taken out, and is there":    {Refusal{Limited: list("pods", "3")}, amounts("pods", ""), false},
		"it is not counted, and was opened": {Refusal{Uncounted: names{"pods"}}, amounts("pods", ""), false},
		"it is not counted, and is to be":   {Refusal{Uncounted: names{"pods"}}, amounts(), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := tt.refusal.Knows(tt.opened); got != tt.want {
				t.Errorf("want %t", tt.want)
			}
		})
	}
}

// amounts are pairs of an entry and its amount; of an empty one, the entry goes.
func amounts(pairs ...string) Entries {
	m := Entries{}
	for i := 0; i < len(pairs); i += 2 {
		m[corev1.ResourceName(pairs[i])] = nil
		if pairs[i+1] != "" {
			m[corev1.ResourceName(pairs[i])] = new(resource.MustParse(pairs[i+1]))
		}
	}
	return m
}
