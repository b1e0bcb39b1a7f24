package correction

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/internal/drift"
)

func TestTheOrderOfCorrections(t *testing.T) {
	const policy, policyBinding = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
	for sentence, tc := range map[string]struct {
		drifts []drift.Drift
		want   []string
	}{
		"nothing is taken away before all is there, and ServiceAccounts go last": {
			drifts: []drift.Drift{
				unexpected(kinded("ServiceAccount", "stale")), unexpected(kinded("Role", "stale")),
				missing(kinded("ServiceAccount", "missing")), modified(kinded("Role", "differs"), "rules"),
			},
			want: []string{"ServiceAccount missing", "Role differs", "Role stale", "ServiceAccount stale"},
		},
		"a quota is made when all is there that it may count": {
			drifts: []drift.Drift{
				missing(kinded("ResourceQuota", "small")), modified(kinded("ResourceQuota", "differs"), "spec"),
				missing(kinded("Role", "dev")), unexpected(kinded("ResourceQuota", "stale")),
			},
			want: []string{"ResourceQuota differs", "Role dev", "ResourceQuota small", "ResourceQuota stale"},
		},
		"what closes the namespace comes before what opens it": {
			drifts: []drift.Drift{
				missing(kinded("NetworkPolicy", "bulwark-allow-dns")), missing(kinded("NetworkPolicy", "bulwark-default-deny")),
				modified(kinded("Role", "dev"), "rules"), modified(kinded("Namespace", "shop"), "metadata.labels"),
			},
			want: []string{
				"NetworkPolicy bulwark-default-deny", "Namespace shop", "NetworkPolicy bulwark-allow-dns", "Role dev",
			},
		},
		"a policy is made before its binding, and removed after it": {
			drifts: []drift.Drift{
				missing(kinded(policy, "a")), modified(kinded(policyBinding, "a"), "spec"),
				unexpected(kinded(policy, "b")), unexpected(kinded(policyBinding, "b")),
			},
			want: []string{policy + " a", policyBinding + " a", policyBinding + " b", policy + " b"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got []string
			for _, d := range inOrder(tc.drifts) {
				got = append(got, d.Object.Kind+" "+d.Object.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestQuotasAreMadeAfterWhatTheyMayCount(t *testing.T) {
	for sentence, tt := range map[string]struct {
		of   drift.Drift
		want int
	}{
		"a quota that is missing":                 {missing(kinded("ResourceQuota", "bulwark-small")), countersTurn},
		"a quota that differs":                    {modified(kinded("ResourceQuota", "bulwark-small")), firstTurn},
		"a quota that should not exist":           {unexpected(kinded("ResourceQuota", "bulwark-small")), removalsTurn},
		"a service account that should not exist": {unexpected(kinded("ServiceAccount", "bulwark-app")), lastTurn},
		"a role that is missing":                  {missing(kinded("Role", "bulwark-dev")), firstTurn},
		"a role that should not exist":            {unexpected(kinded("Role", "bulwark-dev")), removalsTurn},
		"the labels of a namespace changed":       {modified(kinded("Namespace", "shop")), firstTurn},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := turnOf(&tt.of); got != tt.want {
				t.Errorf("want %d, got %d", tt.want, got)
			}
		})
	}
}
