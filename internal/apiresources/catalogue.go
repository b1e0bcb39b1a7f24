// Package apiresources compares the resources that rules name with those that an API server has,
// and suggests what a missing one may have meant. It is pure: it may import Kubernetes' API types
// only, and must never ask an API server; internal/apiresources/discover does.
package apiresources

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Catalogue are the resources of an API server: by group and then by name, with subresources such
// as pods/log, the other names that people have for each.
type Catalogue struct {
	groups map[string]map[string][]string
	// unknown are groups that did not answer: of them nothing can be said.
	unknown map[string]bool
}

// New is the catalogue of what discovery tells, but for the groups that did not answer.
func New(lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error) *Catalogue {
	c := &Catalogue{groups: map[string]map[string][]string{}, unknown: map[string]bool{}}
	for version := range failed {
		c.unknown[version.Group] = true
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // Nobody could name it.
		}
		if c.groups[version.Group] == nil {
			c.groups[version.Group] = map[string][]string{}
		}
		for _, r := range list.APIResources {
			names := append([]string{r.SingularName, strings.ToLower(r.Kind)}, r.ShortNames...)
			c.groups[version.Group][r.Name] = slices.DeleteFunc(
				names,
				func(name string) bool { return name == "" || strings.Contains(r.Name, "/") },
			)
		}
	}
	return c
}

// Missing are sentences on what the rules name and the API server has not. A resource that any
// group of its rule has is not missing.
func (c *Catalogue) Missing(rules []rbacv1.PolicyRule) []string {
	var missing []string
	add := func(sentence string) {
		if !slices.Contains(missing, sentence) {
			missing = append(missing, sentence)
		}
	}
	for _, rule := range rules {
		if slices.ContainsFunc(rule.APIGroups, func(group string) bool { return c.unknown[group] }) {
			continue
		}
		known := slices.DeleteFunc(slices.Clone(rule.APIGroups), func(group string) bool { return c.groups[group] == nil })
		if len(known) == 0 {
			for _, group := range rule.APIGroups {
				add("there is no API group " + group + suggested(c.likeGroup(group)))
			}
			continue
		}
		for _, resource := range rule.Resources {
			if !slices.ContainsFunc(known, func(group string) bool { return c.has(group, resource) }) {
				add("there is no resource " + resource + " in " + inWords(known) + suggested(c.meant(known, resource)))
			}
		}
	}
	return missing
}

func (c *Catalogue) has(group, resource string) bool {
	_, has := c.groups[group][resource]
	return has
}

// inWords names groups.
func inWords(groups []string) string {
	var words []string
	for _, group := range groups {
		if group == "" {
			words = append(words, "the core group")
		} else {
			words = append(words, group)
		}
	}
	return strings.Join(words, " or ")
}

// maxSuggestions is how many suggestions still help.
const maxSuggestions = 3

func suggested(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; " + strings.Join(names[:min(len(names), maxSuggestions)], " or ") + "?"
}

// meant are the resources that a name may stand for, by the likeliest kind of mistake that explains
// it:
//
//  1. another name of a resource of these groups: its singular, its kind, a short name,
//  2. a resource of another group, by its name or another one,
//  3. a resource of these groups whose name differs in few letters.
func (c *Catalogue) meant(groups []string, name string) []string {
	name = strings.ToLower(name)
	var here, elsewhere, similarly []string
	for _, group := range groups {
		here = append(here, c.called(group, name)...)
		for _, resource := range slices.Sorted(maps.Keys(c.groups[group])) {
			if similar(resource, name) {
				similarly = append(similarly, resource)
			}
		}
	}
	for _, group := range slices.Sorted(maps.Keys(c.groups)) {
		for _, resource := range c.called(group, name) {
			elsewhere = append(elsewhere, fmt.Sprintf("%s in %s", resource, inWords([]string{group})))
		}
	}
	for _, found := range [][]string{here, elsewhere} {
		if len(found) > 0 {
			return found
		}
	}
	return similarly
}

// called are the resources of a group that go by a name, a short one included, each with the
// subresource that the name ends with.
func (c *Catalogue) called(group, name string) []string {
	plain, sub, _ := strings.Cut(name, "/")
	if sub != "" {
		sub = "/" + sub
	}
	var found []string
	for _, resource := range slices.Sorted(maps.Keys(c.groups[group])) {
		named := resource == plain || slices.Contains(c.groups[group][resource], plain)
		if named && c.has(group, resource+sub) {
			found = append(found, resource+sub)
		}
	}
	return found
}

// likeGroup are the groups whose names, or first parts of them, differ from a name in few letters.
func (c *Catalogue) likeGroup(name string) []string {
	var found []string
	for _, group := range slices.Sorted(maps.Keys(c.groups)) {
		first, _, _ := strings.Cut(group, ".")
		if group != "" && (similar(group, name) || first == name) {
			found = append(found, group)
		}
	}
	return found
}

// similar reports whether two names differ in at most one letter, or two if they are long.
func similar(a, b string) bool {
	most := 1
	if len(b) > 7 {
		most = 2
	}
	return distance(a, b) <= most
}

// distance is how many letters must be changed, added or taken away to make one name of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
