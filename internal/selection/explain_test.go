package selection

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestExplain(t *testing.T) {
	nothing := metav1.LabelSelectorOperator("Nothing")
	for sentence, tc := range map[string]struct {
		profiles  []v1alpha1.SecurityProfile
		namespace string
		want      []string // the profile that governs with a star; of a reason its beginning
	}{
		"no profile": {namespace: "shop"},
		"an empty selector": {
			profiles: []v1alpha1.SecurityProfile{profile("all")}, namespace: "shop", want: []string{"*all: it selects every namespace"},
		},
		"a label and a lack of one": {
			profiles: []v1alpha1.SecurityProfile{
				profile("dev", labelled("tier", "dev")), profile("prod", labelled("tier", "prod")), profile("team", labelled("team", "a")),
			},
			namespace: "shop", want: []string{
				"*prod: the selector matches: tier=prod",
				"dev: the selector wants tier=dev, the namespace has tier=prod",
				"team: the selector wants team=a, the namespace has no label team",
			},
		},
		"a glob, a priority and a name": {
			profiles: []v1alpha1.SecurityProfile{
				profile("a", priority(1)), profile("b", priority(5)), profile("c", priority(5)), profile("d", priority(9), excluding("x", "sh*")),
			},
			namespace: "shop", want: []string{
				"*b: it selects every namespace", "d: excludeNamespaces holds sh*",
				"c: priority 5 is that of b, too, which is the smaller name", "a: priority 1 is below 5, that of b",
			},
		},
		"a protected namespace": {
			profiles: []v1alpha1.SecurityProfile{profile("all")}, namespace: "kube-system", want: []string{"all: the namespace is protected"},
		},
		"a profile that leaves": {
			profiles: []v1alpha1.SecurityProfile{profile("all", deleted)}, namespace: "shop", want: []string{"all: the profile is being deleted"},
		},
		"a spec that never was valid": {
			profiles: []v1alpha1.SecurityProfile{profile("p", requiring("tier", nothing))}, namespace: "shop",
			want: []string{"p: its spec is broken, and none before it was carried out, so that it governs nothing: spec.namespaceSelector: "},
		},
		"a broken spec of which no status says what it selected": {
			profiles: []v1alpha1.SecurityProfile{profile("p", requiring("tier", nothing), counting)}, namespace: "shop",
			want: []string{"p: its spec is broken, and its status does not say what it selected before: "},
		},
		"a broken spec that governs on": {
			profiles: []v1alpha1.SecurityProfile{profile("p", remembering, requiring("tier", nothing))}, namespace: "shop",
			want: []string{"*p: it selects every namespace; its spec is broken, so that it selects what its last valid one did: "},
		},
		"a broken spec, and a namespace that came after": {
			profiles: []v1alpha1.SecurityProfile{
				profile("p", priority(9), remembering, requiring("tier", nothing), brokenSince(noon)), profile("q"),
			},
			namespace: "shop",
			want:      []string{"*q: it selects every namespace", "p: the namespace was made since the profile is broken: any other"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			protected, err := Protected()
			if err != nil {
				t.Fatal(err)
			}
			ns := namespaceOf(tc.namespace, map[string]string{"tier": "prod"})
			ns.CreationTimestamp = metav1.Time{Time: noon.Add(1)}
			var got []string
			for i, v := range Explain(tc.profiles, protected, ns) {
				line := v.Profile + ": " + v.Why
				if v.Governs {
					line = "*" + line
				}
				if i < len(tc.want) && strings.HasPrefix(line, tc.want[i]) {
					line = tc.want[i]
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
