// Package auditpolicy makes an audit policy out of SecurityProfiles: one that records what matters
// about their baselines, and little else. It says which of its rules catches an event, by the API
// server's own evaluator.
//
// It is pure, and imports baseline for what a baseline consists of. It must never record the data
// of a Secret or a token, whatever a profile says.
package auditpolicy

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Rule is a rule of the policy, and what it is for.
type Rule struct {
	Why string
	auditv1.PolicyRule
}

var (
	writes = []string{"create", "update", "patch", "delete", "deletecollection"}

	// kubernetes are the parts of Kubernetes, of which only what touches a baseline is worth
	// recording.
	kubernetesUsers  = []string{user.APIServerUser, user.KubeControllerManager, user.KubeScheduler, user.KubeProxy}
	kubernetesGroups = []string{user.NodesGroup, "system:serviceaccounts:kube-system"}
)

// Rules are the rules for some profiles, in order: the first that matches a request says how much
// of it is recorded.
func Rules(profiles []v1alpha1.SecurityProfile, operator string) []Rule {
	rules := []Rule{
		{
			"asking whether the API server is well, and what it serves",
			auditv1.PolicyRule{
				Level: auditv1.LevelNone,
				Verbs: []string{"get", "head"},
				NonResourceURLs: []string{
					"/healthz*",
					"/livez*",
					"/readyz*",
					"/version",
					"/version/*",
					"/openapi*",
					"/metrics",
					"/api",
					"/api/*",
					"/apis",
					"/apis/*",
				},
			},
		},
		{"requests of nobody in particular", auditv1.PolicyRule{
			Level: auditv1.LevelMetadata, UserGroups: []string{user.AllUnauthenticated},
		}},
		{"Secrets and tokens, of which no data is recorded", auditv1.PolicyRule{
			Level: auditv1.LevelMetadata, Resources: []auditv1.GroupResources{on("", "secrets", "serviceaccounts/token")},
		}},
		{"ways into pods, and around the API server's authorization", auditv1.PolicyRule{
			Level: auditv1.LevelMetadata, Resources: []auditv1.GroupResources{
				on(
					"",
					"pods/exec",
					"pods/attach",
					"pods/portforward",
					"pods/proxy",
					"pods/ephemeralcontainers",
					"services/proxy",
					"nodes/proxy",
				),
			},
		}},
		{
			"usage that Kubernetes counts into quotas",
			auditv1.PolicyRule{
				Level: auditv1.LevelNone,
				Users: []string{
					user.APIServerUser,
					user.KubeControllerManager,
					"system:serviceaccount:kube-system:resourcequota-controller",
				},
				Resources: []auditv1.GroupResources{on("", "resourcequotas/status")},
			},
		},
		{"reports that Bulwark itself writes", auditv1.PolicyRule{
			Level: auditv1.LevelMetadata, Users: []string{operator}, Verbs: writes,
			Resources: []auditv1.GroupResources{on(v1alpha1.GroupVersion.Group, "namespacepostures", "securityprofiles/status")},
		}},
		{"changes of what the baseline consists of, and of RBAC", auditv1.PolicyRule{
			Level: auditv1.LevelRequestResponse, Verbs: writes, Resources: consistsOf(profiles), OmitManagedFields: ptr.To(true),
		}},
	}
	if judgesSilently(profiles) {
		rules = append(
			rules,
			Rule{
				"pods that break a rule which only warns or audits: the event bears what it breaks",
				auditv1.PolicyRule{
					Level:     auditv1.LevelMetadata,
					Verbs:     []string{"create", "update", "patch"},
					Resources: []auditv1.GroupResources{on("", "pods")},
				},
			},
		)
	}
	return append(
		rules,
		Rule{"what is told all the time and matters to nobody", auditv1.PolicyRule{
			Level: auditv1.LevelNone, Resources: []auditv1.GroupResources{
				on(
					"",
					"events",
					"*/status",
				),
				on("events.k8s.io", "events"),
				on("coordination.k8s.io", "leases"),
				on("discovery.k8s.io", "endpointslices"),
				on("", "endpoints"),
				on("authorization.k8s.io"),
				on("authentication.k8s.io"),
			},
		}},
		Rule{"parts of Kubernetes at their work", auditv1.PolicyRule{Level: auditv1.LevelNone, Users: kubernetesUsers}},
		Rule{"parts of Kubernetes at their work", auditv1.PolicyRule{Level: auditv1.LevelNone, UserGroups: kubernetesGroups}},
		Rule{
			"changes of everything else by everybody else, with whom they impersonate",
			auditv1.PolicyRule{Level: auditv1.LevelMetadata, Verbs: writes},
		},
		Rule{"everything else", auditv1.PolicyRule{Level: auditv1.LevelNone}},
	)
}

// Policy are rules as the API server reads them.
func Policy(rules []Rule) *auditv1.Policy {
	policy := &auditv1.Policy{
		TypeMeta:   metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Policy"},
		OmitStages: []auditv1.Stage{auditv1.StageRequestReceived},
	}
	for _, r := range rules {
		policy.Rules = append(policy.Rules, r.PolicyRule)
	}
	return policy
}

func on(group string, resources ...string) auditv1.GroupResources {
	return auditv1.GroupResources{Group: group, Resources: resources}
}

// consistsOf are the resources of what the profiles declare, and what changes who may change it.
func consistsOf(profiles []v1alpha1.SecurityProfile) []auditv1.GroupResources {
	resources := map[string][]string{
		v1alpha1.GroupVersion.Group: {"securityprofiles", "namespacepostures"},
		"rbac.authorization.k8s.io": {"roles", "rolebindings", "clusterroles", "clusterrolebindings"},
		"":                          {"namespaces", "namespaces/finalize", "serviceaccounts"},
	}
	add := func(group, resource string) {
		if !slices.Contains(resources[group], resource) {
			resources[group] = append(resources[group], resource)
		}
	}
	for i := range profiles {
		for _, o := range baseline.Render(&profiles[i], "any") {
			kind := baseline.KindOf(o)
			add(kind.Group, kind.Resource)
		}
		if len(profiles[i].Spec.Quotas) > 0 {
			add("", "resourcequotas/status")
		}
		if hasPolicies(&profiles[i].Spec) {
			for _, kind := range baseline.ClusterKinds {
				add(kind.Group, kind.Resource)
			}
		}
	}
	var all []auditv1.GroupResources
	for _, group := range slices.Sorted(maps.Keys(resources)) {
		slices.Sort(resources[group])
		all = append(all, on(group, resources[group]...))
	}
	return all
}

// hasPolicies reports whether a profile comes to admission policies.
func hasPolicies(s *v1alpha1.SecurityProfileSpec) bool {
	return s.Workloads != nil || s.Images != nil && s.Images.JudgesPods() || s.Protection != nil ||
		s.Network != nil && s.Network.TenantPolicies != ""
}

// judgesSilently reports whether a profile has rules for pods that refuse nothing: what breaks them
// is told in the audit log.
func judgesSilently(profiles []v1alpha1.SecurityProfile) bool {
	silent := func(action v1alpha1.AdmissionAction) bool {
		return action != "" && action != v1alpha1.AdmissionActionDeny
	}
	return slices.ContainsFunc(profiles, func(p v1alpha1.SecurityProfile) bool {
		s := &p.Spec
		return p.EffectiveEnforcement() == v1alpha1.EnforcementAudit || s.PodSecurity != nil && s.PodSecurity.Audit != "" ||
			s.Workloads != nil && silent(s.Workloads.Action) || s.Images != nil && silent(s.Images.Action)
	})
}
