package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestQuotaExceeded(t *testing.T) {
	const says = "more is used than the quota grants of pods"
	for sentence, tt := range map[string]struct {
		ignore   []v1alpha1.FindingID
		exceeded map[string]string
		want     []string
	}{
		"no quota is exceeded": {},
		"two quotas are": {
			exceeded: map[string]string{"bulwark-b": says, "bulwark-a": says},
			want:     []string{"Medium QuotaExceeded ResourceQuota/bulwark-a", "Medium QuotaExceeded ResourceQuota/bulwark-b"},
		},
		"it is ignored": {ignore: []v1alpha1.FindingID{v1alpha1.FindingIDQuotaExceeded}, exceeded: map[string]string{"bulwark-a": says}},
	} {
		t.Run(sentence, func(t *testing.T) {
			profile := &v1alpha1.SecurityProfile{
				Spec: v1alpha1.SecurityProfileSpec{Findings: &v1alpha1.Findings{Ignore: tt.ignore}},
			}
			found := Judge(profile, "team-a", &Facts{Exceeded: tt.exceeded})
			if diff := cmp.Diff(tt.want, brief(found), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, f := range found {
				if f.Message != says || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
