package grants

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// TestTheCRDRefusesTheSame holds this package's verdict on rules against that of the CRD, by whose
// CEL the API server judges the rules of a profile's own roles.
func TestTheCRDRefusesTheSame(t *testing.T) {
	refusedByCRD := judgeOfCRD(t)
	verbs := slices.Concat(escalating, reading, changing, []string{wildcard, "use", "impersonator"})
	groups := []string{"", "apps", rbacv1.GroupName, "networking.k8s.io", "security.bulwark.dev", reportsGroup, wildcard}
	resources := slices.Concat(ofBaselines, []string{
		wildcard,
		"*/scale",
		"pods/*",
		"pods",
		"pods/exec",
		"roles/status",
		"serviceaccounts/token",
		"namespaces/finalize",
		"networkpolicies/status",
		reports,
	})
	random := rand.New(rand.NewPCG(1, 2))
	some := func(of []string) []string {
		var chosen []string
		for range 1 + random.IntN(2) {
			if word := of[random.IntN(len(of))]; !slices.Contains(chosen, word) {
				chosen = append(chosen, word)
			}
		}
		return chosen
	}
	seen := map[bool]int{}
	judge := func(rule rbacv1.PolicyRule) {
		refused := refusedByCRD(rule)
		if seen[refused]++; refused != (len(Forbidden([]rbacv1.PolicyRule{rule})) > 0) {
			t.Errorf(
				"the CRD refuses %v: %v; this package finds: %s",
				rule,
				refused,
				Words(Forbidden([]rbacv1.PolicyRule{rule})),
			)
		}
	}
	for _, verb := range verbs {
		for _, resource := range resources {
			judge(rbacv1.PolicyRule{Verbs: []string{verb}, APIGroups: []string{""}, Resources: []string{resource}})
		}
	}
	for range 2000 {
		judge(rbacv1.PolicyRule{Verbs: some(verbs), APIGroups: some(groups), Resources: some(resources)})
	}
	if seen[true] < 100 || seen[false] < 100 {
		t.Errorf("the rules are one-sided: %v", seen)
	}
}

// judgeOfCRD is the verdict of the CRD's CEL on a rule of a profile's own role.
func judgeOfCRD(t *testing.T) func(rbacv1.PolicyRule) (refused bool) {
	t.Helper()
	data, err := os.ReadFile("../../config/crd/bases/security.bulwark.dev_securityprofiles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		t.Fatal(err)
	}
	at := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, field := range []string{"spec", "rbac", "roles", "", "rules", ""} {
		if field == "" {
			at = at.Items.Schema
			continue
		}
		below, declared := at.Properties[field]
		if !declared {
			t.Fatalf("the CRD has no field %s", field)
		}
		at = &below
	}
	if len(at.XValidations) == 0 {
		t.Fatal("the CRD judges no rules")
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(at, &internal, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(&internal)
	if err != nil {
		t.Fatal(err)
	}
	validator := schemacel.NewValidator(structural, false, celconfig.PerCallLimit)
	return func(rule rbacv1.PolicyRule) bool {
		object := map[string]any{
			"verbs":     anys(rule.Verbs),
			"apiGroups": anys(rule.APIGroups),
			"resources": anys(rule.Resources),
		}
		errs, _ := validator.Validate(t.Context(), nil, structural, object, nil, celconfig.RuntimeCELCostBudget)
		return len(errs) > 0
	}
}

func anys(words []string) []any {
	var out []any
	for _, w := range words {
		out = append(out, fmt.Sprint(w))
	}
	return out
}
