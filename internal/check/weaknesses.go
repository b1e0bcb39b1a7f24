package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/grants"
)

// weaknesses are what the manifests would weaken of the baselines, in the operator's own words.
func (r *run) weaknesses() []Result {
	clusterRoles := map[string]*rbacv1.ClusterRole{}
	byNamespace := map[string][]*object{}
	for _, o := range r.objects {
		if role, ok := o.typed.(*rbacv1.ClusterRole); ok {
			clusterRoles[o.Name] = role
		}
		if s := r.govs.spaces[o.Namespace]; s != nil && s.governor != nil {
			byNamespace[o.Namespace] = append(byNamespace[o.Namespace], o)
		}
	}
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(byNamespace)) {
		s := r.govs.spaces[name]
		facts := s.facts(byNamespace[name], clusterRoles)
		for _, f := range findings.Judge(s.governor.profile, name, facts) {
			if o := r.find(f.Object, name); o != nil {
				results = append(results, s.result(o, Result{
					Rule: findingRule + string(
						f.ID,
					),
					Action:   Warn,
					Severity: f.Severity,
					Message:  f.Message,
					Remedy:   f.Remedy,
					Path:     weakField(o, &f),
				}))
			}
		}
	}
	return results
}

// facts are what the objects of a namespace say, and the ClusterRoles that are applied along with
// them.
func (s *space) facts(objects []*object, clusterRoles map[string]*rbacv1.ClusterRole) *findings.Facts {
	f := &findings.Facts{
		Policies:     map[string]findings.Policy{},
		Bindings:     map[string]findings.Binding{},
		Accounts:     map[string]findings.MountedToken{},
		Limits:       map[string]findings.LimitDefaults{},
		Quotas:       map[string]findings.Counts{},
		Roles:        map[string]findings.Powers{},
		ClusterRoles: map[string]findings.Powers{},
		Bound:        map[string]findings.BoundRole{},
	}
	for _, o := range objects {
		switch t := o.typed.(type) {
		case *networkingv1.NetworkPolicy:
			put(f.Policies, o.Name)(findings.PolicyOf(t))
		case *rbacv1.RoleBinding:
			t.Namespace = o.Namespace
			put(f.Bindings, o.Name)(findings.BindingOf(t))
			if t.RoleRef.Kind == "ClusterRole" {
				role := clusterRoles[t.RoleRef.Name]
				if role == nil { // Of those that Kubernetes brings along the name says enough.
					role = &rbacv1.ClusterRole{}
					role.Name = t.RoleRef.Name
				}
				put(f.ClusterRoles, t.RoleRef.Name)(findings.ClusterRoleOf(role))
			}
		case *rbacv1.Role:
			put(f.Roles, o.Name)(findings.RoleOf(t))
		case *corev1.ServiceAccount:
			put(f.Accounts, o.Name)(findings.AccountOf(t))
		case *corev1.LimitRange:
			put(f.Limits, o.Name)(findings.LimitsOf(t))
		case *corev1.ResourceQuota:
			put(f.Quotas, o.Name)(findings.CountsOf(t))
		}
	}
	s.bound(f, clusterRoles)
	return f
}

// bound are the ClusterRoles among the manifests that the profile binds, and that permit what it
// must not grant.
func (s *space) bound(f *findings.Facts, clusterRoles map[string]*rbacv1.ClusterRole) {
	for _, o := range s.baseline {
		binding, ok := o.(*rbacv1.RoleBinding)
		if !ok || binding.RoleRef.Kind != "ClusterRole" || clusterRoles[binding.RoleRef.Name] == nil {
			continue
		}
		name := binding.RoleRef.Name
		unexpected := grants.Unexpected(name, grants.Forbidden(clusterRoles[name].Rules))
		if len(unexpected) == 0 {
			continue
		}
		role := f.Bound[name]
		role.Permits, role.Bindings = grants.Words(unexpected), append(role.Bindings, binding.Name)
		f.Bound[name] = role
	}
}

// put puts a fact into a map, if it is one.
func put[T any](facts map[string]T, name string) func(T, bool) {
	return func(fact T, harmful bool) {
		if harmful {
			facts[name] = fact
		}
	}
}

func (r *run) find(ref v1alpha1.ObjectReference, namespace string) *object {
	i := slices.IndexFunc(r.objects, func(o *object) bool {
		return o.Kind == ref.Kind && o.Name == ref.Name && (o.Namespace == namespace || o.Namespace == "")
	})
	if i < 0 {
		return nil
	}
	return r.objects[i]
}

// weakField is where it stands what a finding is about.
func weakField(o *object, f *v1alpha1.Finding) []any {
	switch f.ID {
	case v1alpha1.FindingIDNetworkReopened:
		if policy, ok := o.typed.(*networkingv1.NetworkPolicy); ok {
			return opening(policy, f.Message)
		}
	case v1alpha1.FindingIDPrivilegedBinding:
		return path("roleRef", "name")
	case v1alpha1.FindingIDBroadBinding:
		return path("subjects")
	case v1alpha1.FindingIDTokenMountedByDefault:
		return path("automountServiceAccountToken")
	case v1alpha1.FindingIDLimitDefaultsOverridden:
		return path("spec", "limits")
	case v1alpha1.FindingIDQuotaCountsBaseline:
		return path("spec", "hard")
	case v1alpha1.FindingIDForbiddenRulesBound:
		return path("rules")
	}
	return path("metadata", "name")
}

// direction is the one that words on a NetworkPolicy name first.
var direction = regexp.MustCompile(`\b(?:closes|opens) (Ingress|Egress)\b`)

// opening is where a NetworkPolicy opens the direction that is named: the first rule that does so by
// itself, or all of them, which may do so together.
func opening(policy *networkingv1.NetworkPolicy, message string) []any {
	named := direction.FindStringSubmatch(message)
	if named == nil {
		return path("spec")
	}
	alone := &networkingv1.NetworkPolicy{}
	alone.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyType(named[1])}
	at := path("spec", strings.ToLower(named[1]))
	opens := func(i int) []any {
		if _, opens := findings.PolicyOf(alone); opens {
			return append(at, i)
		}
		return nil
	}
	if alone.Spec.PolicyTypes[0] == networkingv1.PolicyTypeIngress {
		for i := range policy.Spec.Ingress {
			alone.Spec.Ingress = policy.Spec.Ingress[i : i+1]
			if found := opens(i); found != nil {
				return found
			}
		}
		return at
	}
	for i := range policy.Spec.Egress {
		alone.Spec.Egress = policy.Spec.Egress[i : i+1]
		if found := opens(i); found != nil {
			return found
		}
	}
	return at
}
