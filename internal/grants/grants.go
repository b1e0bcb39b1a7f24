// Package grants knows what a profile must not grant, whether by rules of its own or by a
// ClusterRole that it binds. The CRD refuses the same in the rules of its own, by CEL. It is pure
// and imports neither a client nor a clock. It must never know which profile asks.
package grants

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/internal/printable"
)

const wildcard = "*"

var (
	// escalating are the verbs that grant more than they name.
	escalating = []string{"escalate", "bind", "impersonate"}
	// reading are the verbs that change nothing.
	reading = []string{"get", "list", "watch"}
	// ofBaselines are the resources that baselines consist of, and what a baseline is reported by.
	ofBaselines = []string{
		"namespaces", "namespacepostures", "networkpolicies", "limitranges", "resourcequotas", "resourcequotas/status",
		"serviceaccounts", "roles", "rolebindings",
	}
)

// The Reports of OpenReports, as which the operator may be told to publish its own.
const (
	reportsGroup = "openreports.io"
	reports      = "reports"
)

// Grant is what must not be granted on one resource.
type Grant struct {
	// Resource is the resource with its group, such as roles.rbac.authorization.k8s.io.
	Resource string
	// Verbs are in order and each once.
	Verbs []string
}

// String is a grant in words.
func (g Grant) String() string {
	return fmt.Sprintf("%s on %s", strings.Join(printable.Names(g.Verbs), ", "), printable.Name(g.Resource))
}

// Forbidden lists what rules permit that a profile must not grant, by the order of the resources.
// Rules on URLs are none of it: a binding within a namespace does not grant them.
func Forbidden(rules []rbacv1.PolicyRule) []Grant {
	found := map[string]map[string]bool{}
	for i := range rules {
		addForbidden(found, &rules[i])
	}
	var grants []Grant
	for _, resource := range slices.Sorted(maps.Keys(found)) {
		grants = append(grants, Grant{Resource: resource, Verbs: slices.Sorted(maps.Keys(found[resource]))})
	}
	return grants
}

func addForbidden(found map[string]map[string]bool, rule *rbacv1.PolicyRule) {
	for _, resource := range rule.Resources {
		for _, group := range rule.APIGroups {
			for _, verb := range rule.Verbs {
				if !forbidden(verb, group, resource) {
					continue
				}
				name := named(resource, group)
				if found[name] == nil {
					found[name] = map[string]bool{}
				}
				found[name][verb] = true
			}
		}
	}
}

// forbidden reports whether a profile must not grant a verb on a resource.
func forbidden(verb, group, resource string) bool {
	return verb == wildcard || group == wildcard || strings.Contains(resource, wildcard) ||
		slices.Contains(escalating, verb) ||
		ofBaseline(group, resource) && !slices.Contains(reading, verb)
}

// ofBaseline reports whether baselines consist of a resource, or are reported by it.
func ofBaseline(group, resource string) bool {
	return slices.Contains(ofBaselines, resource) || group == reportsGroup && resource == reports
}

func named(resource, group string) string {
	if group == "" {
		return resource
	}
	return resource + "." + group
}

// changing are the verbs by which Kubernetes' own ClusterRoles permit changes.
var changing = []string{"create", "delete", "deletecollection", "patch", "update"}

// expected is what ClusterRoles that Kubernetes brings along, and that the operator may bind as it
// is shipped, permit of it from the start. Whoever binds them knows.
var expected = map[string]map[string][]string{
	"edit": {
		"networkpolicies.networking.k8s.io": changing,
		"networkpolicies.extensions":        changing,
		"serviceaccounts":                   append([]string{"impersonate"}, changing...),
	},
}

// Unexpected are those of the grants of a ClusterRole that it does not have from Kubernetes.
func Unexpected(clusterRole string, grants []Grant) []Grant {
	var unexpected []Grant
	for _, g := range grants {
		known := expected[clusterRole][g.Resource]
		verbs := slices.DeleteFunc(slices.Clone(g.Verbs), func(verb string) bool { return slices.Contains(known, verb) })
		if len(verbs) > 0 {
			unexpected = append(unexpected, Grant{Resource: g.Resource, Verbs: verbs})
		}
	}
	return unexpected
}

// maxWords bounds how many grants are named.
const maxWords = 4

// Words are grants as a sentence lists them; empty if there are none. Those on what baselines
// consist of come first, since a reader looks for these.
func Words(grants []Grant) string {
	grants = slices.Clone(grants)
	slices.SortStableFunc(grants, func(a, b Grant) int { return cmp.Compare(rank(a), rank(b)) })
	var words []string
	for _, g := range grants[:min(len(grants), maxWords)] {
		words = append(words, g.String())
	}
	if more := len(grants) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, "; ")
}

func rank(g Grant) int {
	if resource, group, _ := strings.Cut(g.Resource, "."); ofBaseline(group, resource) {
		return 0
	}
	return 1
}
