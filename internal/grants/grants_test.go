package grants

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

func rule(groups, resources, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: groups, Resources: resources, Verbs: verbs}
}

func of(words ...string) []string { return words }

func TestForbidden(t *testing.T) {
	const rbac = rbacv1.GroupName
	for it, test := range map[string]struct {
		rules []rbacv1.PolicyRule
		want  string
	}{
		"to read is harmless, whatever it is":               {[]rbacv1.PolicyRule{rule(of("", rbac), of("secrets", "roles", "namespaces"), of("get", "list", "watch"))}, ""},
		"to write what no baseline consists of is harmless": {[]rbacv1.PolicyRule{rule(of("apps"), of("deployments"), of("create", "delete"))}, ""},
		"to write policies is named without the reading":    {[]rbacv1.PolicyRule{rule(of("networking.k8s.io"), of("ingresses", "networkpolicies"), of("get", "update", "delete"))}, "delete, update on networkpolicies.networking.k8s.io"},
		"to write one policy is to write policies": {[]rbacv1.PolicyRule{{
			APIGroups: of("networking.k8s.io"), Resources: of("networkpolicies"), ResourceNames: of("own"), Verbs: of("patch"),
		}}, "patch on networkpolicies.networking.k8s.io"},
		"to write reports":                       {[]rbacv1.PolicyRule{rule(of("security.bulwark.dev"), of("namespacepostures"), of("update"))}, "update on namespacepostures.security.bulwark.dev"},
		"to write Reports of OpenReports":        {[]rbacv1.PolicyRule{rule(of("openreports.io"), of("reports"), of("get", "create"))}, "create on reports.openreports.io"},
		"to write reports of others":             {[]rbacv1.PolicyRule{rule(of("example.com"), of("reports"), of("create"))}, ""},
		"to write a quota's status":              {[]rbacv1.PolicyRule{rule(of(""), of("resourcequotas/status"), of("patch"))}, "patch on resourcequotas/status"},
		"a verb that Kubernetes does not know":   {[]rbacv1.PolicyRule{rule(of(""), of("serviceaccounts"), of("use"))}, "use on serviceaccounts"},
		"to bind":                                {[]rbacv1.PolicyRule{rule(of(rbac), of("clusterroles"), of("bind"))}, "bind on clusterroles.rbac.authorization.k8s.io"},
		"any verb":                               {[]rbacv1.PolicyRule{rule(of("example.com"), of("widgets"), of("*"))}, "* on widgets.example.com"},
		"any resource, even to read":             {[]rbacv1.PolicyRule{rule(of("example.com"), of("*"), of("get"))}, "get on *.example.com"},
		"any resource with a subresource":        {[]rbacv1.PolicyRule{rule(of("apps"), of("*/scale"), of("update"))}, "update on */scale.apps"},
		"any group, even to read":                {[]rbacv1.PolicyRule{rule(of("*"), of("pods"), of("get"))}, "get on pods.*"},
		"rules on URLs are not granted":          {[]rbacv1.PolicyRule{{NonResourceURLs: of("*"), Verbs: of("*")}}, ""},
		"a rule without a group permits nothing": {[]rbacv1.PolicyRule{rule(nil, of("roles"), of("create"))}, ""},
		"rules add up, and what baselines consist of comes first": {[]rbacv1.PolicyRule{
			rule(of("a.io", "b.io", "c.io", "d.io"), of("xs"), of("*")),
			rule(of(rbac), of("roles"), of("update")), rule(of(rbac), of("roles"), of("create", "update")),
		}, "create, update on roles.rbac.authorization.k8s.io; * on xs.a.io; * on xs.b.io; * on xs.c.io; and 1 more"},
		"names of others are quoted": {[]rbacv1.PolicyRule{rule(of("a\x1b[2J"), of("roles"), of("x\ny"))}, `"x\ny" on "roles.a\x1b[2J"`},
	} {
		t.Run(it, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Words(Forbidden(test.rules))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnexpected(t *testing.T) {
	edit := []rbacv1.PolicyRule{
		rule(of(""), of("serviceaccounts"), of("impersonate")),
		rule(of(""), of("serviceaccounts"), of("create", "delete", "deletecollection", "patch", "update")),
		rule(
			of("networking.k8s.io", "extensions"),
			of("networkpolicies"),
			of("create", "delete", "deletecollection", "patch", "update"),
		),
	}
	reports := rule(of("security.bulwark.dev"), of("namespacepostures"), of("delete"))
	for it, test := range map[string]struct {
		role  string
		rules []rbacv1.PolicyRule
		want  string
	}{
		"of edit is what it has from Kubernetes":   {"edit", edit, ""},
		"is what edit was given later":             {"edit", append(edit, reports), "delete on namespacepostures.security.bulwark.dev"},
		"is a verb that edit was given later":      {"edit", append(edit, rule(of(""), of("serviceaccounts"), of("bind"))), "bind on serviceaccounts"},
		"is all of another role":                   {"editor", edit[:1], "impersonate on serviceaccounts"},
		"is what view was given, which had none":   {"view", []rbacv1.PolicyRule{reports}, "delete on namespacepostures.security.bulwark.dev"},
		"is what admin has, which is not shipped":  {"admin", edit[:1], "impersonate on serviceaccounts"},
		"is nothing of a role that permits little": {"view", []rbacv1.PolicyRule{rule(of(""), of("pods"), of("get"))}, ""},
	} {
		t.Run(it, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Words(Unexpected(test.role, Forbidden(test.rules)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
