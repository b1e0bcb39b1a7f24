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
			want: Refusal{Quota: "bulwark-objects", Requested: list("count/networkpolicies.networking.k8s.io", "1")},
		},
		"by two of its entries": {
			words: `resourcequotas "bulwark-b" is forbidden: exceeded quota: bulwark-a, requested: count/resourcequotas=1,resourcequotas=1, ` +
				`used: count/resourcequotas=1,resourcequotas=1, limited: count/resourcequotas=1,resourcequotas=1`,
			want: Refusal{Quota: "bulwark-a", Requested: list("count/resourcequotas", "1", "resourcequotas", "1")},
		},
		"a quota has not been counted": {
			words: `namespacepostures.security.bulwark.dev "posture" is forbidden: status unknown for quota: bulwark-objects, resources: count/namespacepostures.security.bulwark.dev`,
			want:  Refusal{Quota: "bulwark-objects", Unknown: true, Requested: list("count/namespacepostures.security.bulwark.dev", "0")},
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
	asked := Refusal{Quota: "q", Requested: list("pods", "1")}
	for sentence, tt := range map[string]struct {
		declared, hard, used corev1.ResourceList
		room                 int64
		open, closed         map[corev1.ResourceName]*resource.Quantity
	}{
		"it is just full": {list("pods", "2"), list("pods", "2"), list("pods", "2"), 0, amounts("pods", "3"), amounts("pods", "2")},
		"it is overfull":  {list("pods", "2"), list("pods", "2"), list("pods", "7"), 0, amounts("pods", "8"), amounts("pods", "2")},
		"it has been filled again while it was open": {list("pods", "2"), list("pods", "3"), list("pods", "3"), 2, amounts("pods", "6"), amounts("pods", "2")},
		"it has room, and the API server has not heard of that": {list("pods", "2"), list("pods", "3"), list("pods", "2"), 1,
			amounts(), amounts()},
		"it is not counted, so that its entry has to go": {list("pods", "2"), list("pods", "2"), nil, 0, amounts("pods", ""), amounts("pods", "2")},
		"it bounds something else":                       {list("cpu", "2"), list("cpu", "2"), list("cpu", "2"), 0, amounts(), amounts()},
		"it does not declare it any more":                {nil, list("pods", "2"), list("pods", "2"), 0, amounts("pods", "3"), amounts("pods", "")},
	} {
		t.Run(sentence, func(t *testing.T) {
			q := quota(tt.declared, tt.hard, tt.used)
			open := asked.Opening(q, tt.room)
			if diff := cmp.Diff(tt.open, open); diff != "" {
				t.Errorf("to open it (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.closed, Closing(q, open)); diff != "" {
				t.Errorf("to close it (-want +got):\n%s", diff)
			}
		})
	}
}

// amounts are pairs of an entry and its amount; of an empty one, the entry goes.
func amounts(pairs ...string) map[corev1.ResourceName]*resource.Quantity {
	m := map[corev1.ResourceName]*resource.Quantity{}
	for i := 0; i < len(pairs); i += 2 {
		m[corev1.ResourceName(pairs[i])] = nil
		if pairs[i+1] != "" {
			m[corev1.ResourceName(pairs[i])] = new(resource.MustParse(pairs[i+1]))
		}
	}
	return m
}
