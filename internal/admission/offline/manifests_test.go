package offline

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// staticPolicies are the policies by manifest that config/static-admission ships, by name.
func staticPolicies(t *testing.T) map[string]bulwark.Policy {
	t.Helper()
	files, err := filepath.Glob("../../../config/static-admission/policies/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bulwark.Policy{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reader := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
		p := bulwark.Policy{ValidatingAdmissionPolicy: &admissionregistrationv1.ValidatingAdmissionPolicy{},
			Binding: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}}
		for _, into := range []any{p.ValidatingAdmissionPolicy, p.Binding} {
			document := make([]byte, len(data))
			n, err := reader.Read(document)
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if err := strict.UnmarshalStrict(document[:n], into); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		all[p.Name] = p
	}
	return all
}

// conditions are the expressions of a policy that stand in several, by name.
func conditions(p bulwark.Policy) map[string]string {
	expressions := map[string]string{}
	for _, c := range p.Spec.MatchConditions {
		expressions[c.Name] = c.Expression
	}
	for _, v := range p.Spec.Variables {
		expressions[v.Name] = v.Expression
	}
	return expressions
}

func TestStaticPoliciesAreSound(t *testing.T) {
	policies := staticPolicies(t)
	if len(policies) != 5 {
		t.Fatalf("there are %d policies", len(policies))
	}
	for name, p := range policies {
		if !strings.HasPrefix(name, v1alpha1.NamePrefix) || !strings.HasSuffix(name, ".static.k8s.io") {
			t.Errorf("%s: Kubernetes takes no such name of a manifest", name)
		}
		// The one thing that a binding says is which policy refuses: it leaves nothing out, and
		// reads no parameters.
		want := admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		}
		if diff := cmp.Diff(want, p.Binding.Spec); diff != "" || p.Binding.Name != name {
			t.Errorf("%s has the binding %s: %s", name, p.Binding.Name, diff)
		}
		if p.Spec.FailurePolicy == nil || *p.Spec.FailurePolicy != admissionregistrationv1.Fail || p.Spec.ParamKind != nil {
			t.Errorf("%s does not fail closed, or has parameters, which a manifest may not", name)
		}
		if _, err := compile(p); err != nil {
			t.Error(err)
		}
	}
}

// The operator and its API are called by the same names in code and in manifests.
func TestStaticPoliciesSayWhatTheCodeSays(t *testing.T) {
	policies := staticPolicies(t)
	for name, p := range policies {
		for _, same := range []string{"is-not-by-the-operator", "breaksGlass"} {
			first := conditions(policies["bulwark-admission-policies.static.k8s.io"])[same]
			if diff := cmp.Diff(first, conditions(p)[same]); diff != "" {
				t.Errorf("%s: %s differs from that of the others: %s", name, same, diff)
			}
		}
	}
	for name, words := range map[string][]string{
		"bulwark-admission-policies.static.k8s.io": {
			`"system:serviceaccount:` + v1alpha1.OperatorNamespace + `:bulwark-manager"`,
			`startsWith("` + v1alpha1.NamePrefix + `")`,
			`"` + v1alpha1.ProfileLabel + `"`, `"` + v1alpha1.ManagedByLabel + `"`, `== "` + v1alpha1.ManagedBy + `"`,
		},
		"bulwark-installation.static.k8s.io": {
			`endsWith(".` + v1alpha1.GroupVersion.Group + `")`, `"` + v1alpha1.AggregateToGrantableLabel + `"`,
			`== "` + v1alpha1.OperatorNamespace + `"`, `startsWith("` + v1alpha1.PodSecurityPrefix + `")`,
		},
		"bulwark-identities.static.k8s.io": {`request.namespace == "` + v1alpha1.OperatorNamespace + `"`},
	} {
		all := conditions(policies[name])
		for _, word := range words {
			if !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(e string) bool { return strings.Contains(e, word) }) {
				t.Errorf("%s does not speak of %s", name, word)
			}
		}
	}
	groups := policies["bulwark-profiles.static.k8s.io"].Spec.MatchConstraints.ResourceRules[0].APIGroups
	if diff := cmp.Diff([]string{v1alpha1.GroupVersion.Group}, groups); diff != "" {
		t.Errorf("what the profiles' policy is about: %s", diff)
	}
}

var (
	controllers = regexp.MustCompile(`"system:serviceaccount:kube-system:([a-z-]+)"`)
	accounts    = regexp.MustCompile(`"([a-z-]+)"`)
)

// Whoever passes one of the policies is somebody whose token nobody else gets.
func TestNobodyElseActsAsThoseWhoPassStaticPolicies(t *testing.T) {
	policies := staticPolicies(t)
	passing := map[string]bool{}
	for _, p := range policies {
		for _, match := range controllers.FindAllStringSubmatch(conditions(p)["is-not-by-kubernetes"], -1) {
			passing[match[1]] = true
		}
	}
	identities := conditions(policies["bulwark-identities.static.k8s.io"])["is-to-act-as-one-who-passes"]
	_, list, found := strings.Cut(identities, `["bulwark-manager"] : [`)
	list, _, closed := strings.Cut(list, "]")
	if !found || !closed {
		t.Fatal("there is no list")
	}
	guarded := map[string]bool{}
	for _, match := range accounts.FindAllStringSubmatch(list, -1) {
		guarded[match[1]] = true
	}
	if diff := cmp.Diff(passing, guarded); diff != "" {
		t.Errorf("who passes (-), and whose tokens are guarded (+):\n%s", diff)
	}
}
