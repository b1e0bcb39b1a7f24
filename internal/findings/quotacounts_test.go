package findings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestQuotaCountsBaseline(t *testing.T) {
	const policies, postures, roles = "count/networkpolicies.networking.k8s.io", "count/namespacepostures.security.bulwark.dev", "count/roles.rbac.authorization.k8s.io"
	for sentence, tt := range map[string]struct {
		hard   corev1.ResourceList
		ignore []v1alpha1.FindingID
		want   []string
		says   string
	}{
		"a quota of pods is none":                       {hard: quantities("pods", "0", "count/deployments.apps", "0")},
		"one of what the profile does not declare":      {hard: quantities(roles, "0")},
		"one that has no room for the policies":         {hard: quantities(policies, "0"), want: []string{"High QuotaCountsBaseline ResourceQuota/own"}, says: policies + " grants 0, and the baseline has 1"},
		"one that a tenant may fill":                    {hard: quantities(policies, "100"), want: []string{"Medium QuotaCountsBaseline ResourceQuota/own"}, says: policies},
		"one that has no room for the report":           {hard: quantities(postures, "0"), want: []string{"High QuotaCountsBaseline ResourceQuota/own"}, says: postures},
		"one by the name of old":                        {hard: quantities("resourcequotas", "0"), want: []string{"High QuotaCountsBaseline ResourceQuota/own"}, says: "resourcequotas"},
		"several entries are one finding, the gravest":  {hard: quantities(policies, "100", postures, "0"), want: []string{"High QuotaCountsBaseline ResourceQuota/own"}, says: policies},
		"one that is ignored":                           {hard: quantities(policies, "0"), ignore: []v1alpha1.FindingID{v1alpha1.FindingIDQuotaCountsBaseline}},
		"an entry that only looks like one counts none": {hard: quantities("count/networkpolicies", "0", "count/roles", "0")},
	} {
		t.Run(sentence, func(t *testing.T) {
			facts := Facts{Quotas: map[string]Counts{}}
			if counts, found := CountsOf(&corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: tt.hard}}); found {
				facts.Quotas["own"] = counts
			}
			found := judged(v1alpha1.SecurityProfileSpec{
				Network:  &v1alpha1.Network{DefaultDeny: []networkingv1.PolicyType{"Ingress"}},
				Quotas:   []v1alpha1.Quota{{Name: "compute", Spec: corev1.ResourceQuotaSpec{Hard: quantities("pods", "1")}}},
				Findings: &v1alpha1.Findings{Ignore: tt.ignore},
			}, facts)
			if diff := cmp.Diff(tt.want, brief(found), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, f := range found {
				if !strings.Contains(f.Message, tt.says) || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
