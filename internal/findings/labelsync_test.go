package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestPodSecurityLabelSync(t *testing.T) {
	const now, before = "pod-security-admission-label-synchronization-controller", "cluster-policy-controller"
	declared := v1alpha1.SecurityProfileSpec{PodSecurity: &v1alpha1.PodSecurity{Warn: "restricted"}}
	for sentence, tc := range map[string]struct {
		spec     v1alpha1.SecurityProfileSpec
		label    string
		managers []string
		want     list
	}{
		"a namespace that says nothing, in which nobody changed anything": {spec: declared},
		"one that asks":                         {spec: declared, label: "true", want: list{"Medium"}},
		"one that declines":                     {spec: declared, label: "false"},
		"a value that the syncer does not know": {spec: declared, label: "yes"},
		"the syncer changed a label":            {spec: declared, managers: list{"kubectl", now}, want: list{"High"}},
		"an old syncer changed a label":         {spec: declared, managers: list{before}, want: list{"High"}},
		"it changed one that was asked for":     {spec: declared, label: "true", managers: list{now}, want: list{"High"}},
		"it changed one before it was declined": {spec: declared, label: "false", managers: list{now}},
		"somebody else changed a label":         {spec: declared, managers: list{"kubectl", ""}},
		"no level is declared":                  {spec: v1alpha1.SecurityProfileSpec{}, label: "true", managers: list{now}},
		"the profile ignores it": {
			spec: v1alpha1.SecurityProfileSpec{
				PodSecurity: declared.PodSecurity, Findings: &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{"PodSecurityLabelSync"}},
			},
			label: "true",
		},
	} {
		labels := map[string]string{}
		if tc.label != "" {
			labels[LabelSyncLabel] = tc.label
		}
		var got list
		for _, f := range judged(tc.spec, Facts{LabelSync: LabelSyncOf(labels, tc.managers)}) {
			got = append(got, string(f.Severity))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}
