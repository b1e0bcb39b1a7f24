package findings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Binding is a RoleBinding: whom it gives what.
type Binding struct {
	RoleKind, Role string
	// Subjects are at most maxSubjects, those that mean everybody first, and More is how many there
	// are beyond them.
	Subjects []rbacv1.Subject
	More     int
}

// maxSubjects bounds what is kept of a binding, which can have tens of thousands.
const maxSubjects = 32

// BindingOf is what a RoleBinding gives; false if it gives nobody anything.
func BindingOf(rb *rbacv1.RoleBinding) (Binding, bool) {
	b := Binding{RoleKind: rb.RoleRef.Kind, Role: printable.Cut(rb.RoleRef.Name, maxText)}
	for _, everybody := range []bool{true, false} {
		for _, s := range rb.Subjects {
			if (breadth(s, rb.Namespace) != "") != everybody {
				continue
			}
			if len(b.Subjects) == maxSubjects {
				b.More++
				continue
			}
			s.Name, s.Namespace = printable.Cut(s.Name, maxText), printable.Cut(s.Namespace, maxText)
			b.Subjects = append(b.Subjects, s)
		}
	}
	return b, len(b.Subjects) > 0
}

// Powers are what a role gives that a least-privileged one does not.
type Powers struct {
	// Total says that the role gives the whole namespace, or the means to get it.
	Total bool
	// Names says what it gives.
	Names []string
	// ByGet says what it gives too where `get` opens streams to pods, by Facts.GetOpensStreams.
	ByGet []string
}

// RoleOf is the powers of a Role; false if it has none.
func RoleOf(role *rbacv1.Role) (Powers, bool) { return powersOf(role.Rules) }

// ClusterRoleOf is the powers of a ClusterRole; false if it has none. Those that Kubernetes brings
// along have theirs by name.
func ClusterRoleOf(role *rbacv1.ClusterRole) (Powers, bool) {
	switch role.Name {
	case "cluster-admin", "admin":
		return Powers{Total: true, Names: []string{role.Name}}, true
	case "edit":
		return Powers{Names: []string{role.Name}}, true
	}
	return powersOf(role.Rules)
}

// power is something that a rule can give.
type power struct {
	name  string
	total bool
	given func(*rbacv1.PolicyRule) bool
	byGet func(*rbacv1.PolicyRule) bool // where `get` opens streams to pods; nil of what is none
}

var powers = []power{
	{name: "wildcards", total: true, given: func(r *rbacv1.PolicyRule) bool {
		return slices.Contains(r.Verbs, "*") || slices.Contains(r.Resources, "*") || slices.Contains(r.APIGroups, "*")
	}},
	{name: "escalate", total: true, given: verb("escalate")},
	{name: "bind", total: true, given: verb("bind")},
	{name: "impersonate", total: true, given: func(r *rbacv1.PolicyRule) bool {
		return slices.ContainsFunc(
			r.Verbs,
			func(v string) bool { return v == "impersonate" || strings.HasPrefix(v, "impersonate:") },
		)
	}},
	{name: "tokens of ServiceAccounts", total: true, given: access("serviceaccounts/token", "create")},
	{name: "access to Secrets", given: access("secrets", "get", "list", "watch", "update", "patch")},
	{name: "exec into Pods", given: access("pods/exec", "create"), byGet: access("pods/exec", "get")},
	{name: "attach to Pods", given: access("pods/attach", "create"), byGet: access("pods/attach", "get")},
	{name: "containers added to Pods", given: access("pods/ephemeralcontainers", "update", "patch")},
}

func powersOf(rules []rbacv1.PolicyRule) (Powers, bool) {
	var p Powers
	gives := func(given func(*rbacv1.PolicyRule) bool) bool {
		return given != nil && slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return given(&r) })
	}
	for _, power := range powers {
		switch {
		case gives(power.given):
			p.Names = append(p.Names, power.name)
			p.Total = p.Total || power.total
		case gives(power.byGet):
			p.ByGet = append(p.ByGet, power.name)
		}
	}
	return p, len(p.Names)+len(p.ByGet) > 0
}

// of are the names of what the powers give, at an API server of which it is known whether `get`
// opens streams to pods.
func (p *Powers) of(getOpensStreams bool) []string {
	if getOpensStreams {
		return slices.Concat(p.Names, p.ByGet)
	}
	return p.Names
}

func verb(name string) func(*rbacv1.PolicyRule) bool {
	return func(r *rbacv1.PolicyRule) bool { return slices.Contains(r.Verbs, name) }
}

// access is any of the verbs on a resource of the core group; wildcards are a power of their own.
func access(resource string, verbs ...string) func(*rbacv1.PolicyRule) bool {
	_, subresource, isSub := strings.Cut(resource, "/")
	return func(r *rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, "") &&
			(slices.Contains(r.Resources, resource) || isSub && slices.Contains(r.Resources, "*/"+subresource)) &&
			slices.ContainsFunc(r.Verbs, func(v string) bool { return slices.Contains(verbs, v) })
	}
}

// bindings finds who has been given what the profile does not give.
func (j *judge) bindings(facts *Facts) {
	if len(facts.Bindings) == 0 {
		return
	}
	declared, roles := j.declaredRBAC(facts.Roles)
	for _, name := range sortedKeys(facts.Bindings) {
		b := facts.Bindings[name]
		var outside []rbacv1.Subject
		for _, subject := range b.Subjects {
			if !declared[grant{subjectName(subject, j.namespace), b.RoleKind, b.Role}] {
				outside = append(outside, subject)
			}
		}
		j.broad(name, &b)
		given := roles[b.Role]
		if b.RoleKind == "ClusterRole" {
			given = facts.ClusterRoles[b.Role]
		}
		given.Names = given.of(facts.GetOpensStreams)
		j.privileged(name, &b, outside, &given)
	}
}

// grant is that somebody has a role.
type grant struct{ subject, roleKind, role string }

// declaredRBAC are the grants of the profile, since an unmanaged binding that grants the same again
// gives nothing; and the powers of the namespace's Roles, those of the profile among them, since an
// unmanaged binding can give these to further subjects.
func (j *judge) declaredRBAC(unmanaged map[string]Powers) (grants map[grant]bool, roles map[string]Powers) {
	grants, roles = map[grant]bool{}, map[string]Powers{}
	maps.Copy(roles, unmanaged)
	for _, o := range j.desired() {
		switch o := o.(type) {
		case *rbacv1.Role:
			if powers, powerful := RoleOf(o); powerful {
				roles[o.Name] = powers
			}
		case *rbacv1.RoleBinding:
			for _, s := range o.Subjects {
				grants[grant{subjectName(s, j.namespace), o.RoleRef.Kind, o.RoleRef.Name}] = true
			}
		}
	}
	return grants, roles
}

// subjectName is who a subject is to the API server: a ServiceAccount can be named as a user too.
func subjectName(s rbacv1.Subject, namespace string) string {
	if s.Kind != rbacv1.ServiceAccountKind {
		return s.Kind + " " + s.Name
	}
	if s.Namespace != "" {
		namespace = s.Namespace
	}
	return rbacv1.UserKind + " " + serviceaccount.MakeUsername(namespace, s.Name)
}

// subjectWords are who a subject is, as a sentence has it.
func subjectWords(s rbacv1.Subject, namespace string) string {
	kind, name, _ := strings.Cut(subjectName(s, namespace), " ")
	if kind == rbacv1.UserKind {
		return printable.Name(name)
	}
	return kind + " " + printable.Name(name)
}

// broad finds subjects that mean everybody.
func (j *judge) broad(name string, b *Binding) {
	if !j.profile.LooksFor(v1alpha1.FindingIDBroadBinding) {
		return
	}
	worst := ""
	var everybody []string
	for _, s := range b.Subjects {
		severity := breadth(s, j.namespace)
		if severity == "" {
			continue
		}
		everybody = append(everybody, printable.Name(s.Name))
		if worst == "" || slices.Index(severities, severity) < slices.Index(severities, v1alpha1.Severity(worst)) {
			worst = string(severity)
		}
	}
	if worst == "" {
		return
	}
	j.add(v1alpha1.Finding{
		ID: v1alpha1.FindingIDBroadBinding, Severity: v1alpha1.Severity(worst), Object: Reference("RoleBinding", name),
		Message: fmt.Sprintf("%s %s is given to %s", b.RoleKind, printable.Name(b.Role), listed(everybody, maxListed)),
		Remedy:  "bind the role to the users, groups or ServiceAccounts that need it, or delete the binding",
	})
}

// breadth is how grave it is that a subject is given anything; empty if it is somebody in
// particular.
func breadth(s rbacv1.Subject, namespace string) v1alpha1.Severity {
	switch {
	case s.Kind == rbacv1.UserKind && s.Name == user.Anonymous,
		s.Kind == rbacv1.GroupKind && s.Name == user.AllUnauthenticated:
		return v1alpha1.SeverityCritical
	case s.Kind != rbacv1.GroupKind:
		return ""
	case s.Name == user.AllAuthenticated, s.Name == serviceaccount.AllServiceAccountsGroup:
		return v1alpha1.SeverityHigh
	case s.Name == serviceaccount.MakeNamespaceGroupName(namespace):
		return v1alpha1.SeverityLow
	case strings.HasPrefix(s.Name, serviceaccount.ServiceAccountGroupPrefix):
		return v1alpha1.SeverityMedium
	}
	return ""
}

// privileged finds subjects that have powers in the namespace that the profile does not give them.
// Its own ServiceAccounts are less grave: who may run a pod in the namespace has them.
func (j *judge) privileged(name string, b *Binding, outside []rbacv1.Subject, given *Powers) {
	if len(outside)+b.More == 0 || len(given.Names) == 0 || !j.profile.LooksFor(v1alpha1.FindingIDPrivilegedBinding) {
		return
	}
	severity := v1alpha1.SeverityHigh
	if given.Total {
		severity = v1alpha1.SeverityCritical
	}
	local := b.More == 0
	var who []string
	for _, s := range outside {
		local = local && s.Kind == rbacv1.ServiceAccountKind && (s.Namespace == "" || s.Namespace == j.namespace)
		who = append(who, subjectWords(s, j.namespace))
	}
	if b.More > 0 {
		who = append(who, fmt.Sprintf("%d others", b.More))
	}
	if local {
		severity = lower(severity)
	}
	j.add(v1alpha1.Finding{
		ID:       v1alpha1.FindingIDPrivilegedBinding,
		Severity: severity,
		Object:   Reference("RoleBinding", name),
		Message: fmt.Sprintf("%s %s (%s) is given to %s, and not by the profile",
			b.RoleKind, printable.Name(b.Role), listed(given.Names, maxListed), listed(who, maxListed)),
		Remedy: "bind a role that gives no more than is needed, or delete the binding; declare who is to have it under spec.rbac",
	})
}
