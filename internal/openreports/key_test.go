package openreports

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestReadersCanTellTheResultsOfAReportApart(t *testing.T) {
	finding := func(id v1alpha1.FindingID, kind, name, message string) v1alpha1.Finding {
		return v1alpha1.Finding{
			ID:       id,
			Severity: v1alpha1.SeverityHigh,
			Object:   reference("v1", kind, name),
			Message:  message,
		}
	}
	const webhook = "ValidatingWebhookConfiguration"
	first := finding(
		v1alpha1.FindingIDWebhookUnreachable,
		webhook,
		"certs",
		"the API server calls Service a at port 443 here",
	)
	second := finding(
		v1alpha1.FindingIDWebhookUnreachable,
		webhook,
		"certs",
		"the API server calls Service b at port 443 here",
	)
	samePort := finding(
		v1alpha1.FindingIDWebhookUnreachable,
		webhook,
		"certs",
		"the API server calls Service a at port 8443 here",
	)
	alone := finding(
		v1alpha1.FindingIDWebhookUnreachable,
		webhook,
		"mesh",
		"the API server calls Service a at port 443 here",
	)
	otherKind := finding(v1alpha1.FindingIDWebhookUnreachable, "MutatingWebhookConfiguration", "certs", first.Message)
	otherID := finding(v1alpha1.FindingIDNetworkReopened, webhook, "certs", "something else")
	// Nobody can make an object of this name, but the rule must not be one that is taken.
	taken := finding(v1alpha1.FindingIDWebhookUnreachable, webhook, "certs#1fb74382", "is named so")

	const (
		certs  = "WebhookUnreachable ValidatingWebhookConfiguration/certs"
		certsA = certs + "#1fb74382"
		certsB = certs + "#883b733e"
		certsC = certs + "#9c7f579a"
		mesh   = "WebhookUnreachable ValidatingWebhookConfiguration/mesh"

		mutating = "WebhookUnreachable MutatingWebhookConfiguration/certs"
		reopened = "NetworkReopened ValidatingWebhookConfiguration/certs"
	)
	for name, test := range map[string]struct {
		findings []v1alpha1.Finding
		want     []string
	}{
		"one result keeps its rule":                       {[]v1alpha1.Finding{first}, []string{certs}},
		"two Services of one configuration":               {[]v1alpha1.Finding{first, second}, []string{certsA, certsB}},
		"two ports of one Service":                        {[]v1alpha1.Finding{first, samePort}, []string{certsA, certsC}},
		"three of them":                                   {[]v1alpha1.Finding{first, second, samePort}, []string{certsA, certsB, certsC}},
		"in another order each has the same rule":         {[]v1alpha1.Finding{second, first}, []string{certsB, certsA}},
		"others beside them keep their rules":             {[]v1alpha1.Finding{first, alone, second}, []string{certsA, mesh, certsB}},
		"another kind of the same name is another":        {[]v1alpha1.Finding{first, otherKind}, []string{certs, mutating}},
		"another finding on the same object is another":   {[]v1alpha1.Finding{first, otherID}, []string{certs, reopened}},
		"the same words twice":                            {[]v1alpha1.Finding{first, first}, []string{certsA, certsA + "-2"}},
		"a rule that is taken is not given a second time": {[]v1alpha1.Finding{taken, first, first}, nil},
	} {
		report := Render(posture(func(p *v1alpha1.NamespacePosture) { p.Findings = test.findings }))
		var got []string
		seen := map[key]bool{}
		for i := range report.Results {
			k := keyOf(&report.Results[i])
			if seen[k] {
				t.Errorf("%s: two results are %v", name, k)
			}
			seen[k] = true
			got = append(got, k.policy+" "+k.rule)
		}
		if test.want == nil {
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
