package chaos

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

const (
	tierLabel = "chaos.example.com/tier"
	// greedy is a role that the operator may not grant: it and its binding are refused wherever
	// they are declared.
	greedy = "greedy"
)

// model is what the operations have made of the cluster, as far as it decides what the operator
// must make of it.
type model struct {
	prefix     string
	profiles   map[string]*v1alpha1.SecurityProfile
	namespaces map[string]string // the tier of each that stands
	// tiers are those that each namespace has ever had, by its UID, and adopted those that a
	// profile that adopts has ever selected.
	tiers   map[types.UID]map[string]bool
	adopted map[string]bool
	foreign map[string]foreignObject
	// audited are the tiers that a profile that audits has ever selected.
	audited map[string]bool
	// decorated are the managed objects, by UID, on which a platform has put metadata of its own.
	decorated map[types.UID]string
	// stripped are the objects of which somebody took away what says that they are ours, by their
	// namespaces' UID; true for those that no report remembered then.
	stripped map[types.UID]map[string]bool

	// strippedPolicies are the admission policies and bindings of which somebody took away some of
	// what says that they are ours, and forgedPolicies those that only say it.
	strippedPolicies, forgedPolicies map[string]bool
	// policyDrifts is the most drift of policies that each profile has ever counted, by its UID.
	policyDrifts map[types.UID]int64
}

// foreignObject is an object that nobody but its maker may change.
type foreignObject struct {
	client.Object
	namespaceUID types.UID
	// occupies is set if the object bears a managed name, so that a profile that adopts may take it
	// over.
	occupies bool
}

func newModel(prefix string) *model {
	return &model{
		prefix: prefix, profiles: map[string]*v1alpha1.SecurityProfile{}, namespaces: map[string]string{},
		tiers: map[types.UID]map[string]bool{}, adopted: map[string]bool{}, foreign: map[string]foreignObject{},
		audited: map[string]bool{}, decorated: map[types.UID]string{}, stripped: map[types.UID]map[string]bool{},
		strippedPolicies: map[string]bool{}, forgedPolicies: map[string]bool{}, policyDrifts: map[types.UID]int64{},
	}
}

// labelled remembers that the namespace has had this tier.
func (m *model) labelled(uid types.UID, tier string) {
	if m.tiers[uid] == nil {
		m.tiers[uid] = map[string]bool{}
	}
	m.tiers[uid][tier] = true
}

// declared remembers what a profile that adopts may have taken over, and where one that audits may
// have made reports forget.
func (m *model) declared(profile *v1alpha1.SecurityProfile) {
	m.profiles[profile.Name] = profile
	for _, tier := range []string{"a", "b"} {
		if !selects(profile, "any", tier) {
			continue
		}
		if profile.Adopts() {
			m.adopted[tier] = true
		}
		if profile.EffectiveEnforcement() == v1alpha1.EnforcementAudit {
			m.audited[tier] = true
		}
	}
}

// ever reports whether the namespace has ever had one of these tiers. It allows for the operator
// hearing of labels and of profiles in whatever order.
func (m *model) ever(namespace types.UID, among map[string]bool) bool {
	for tier := range m.tiers[namespace] {
		if among[tier] {
			return true
		}
	}
	return false
}

// mayBeAdopted reports whether a profile that adopts may ever have governed the namespace.
func (m *model) mayBeAdopted(namespace types.UID) bool { return m.ever(namespace, m.adopted) }

// mayCountAsForeign reports whether an object of ours may be taken for another maker's: it was
// stripped of what says that it is ours, and no report of an enforced baseline remembers it.
func (m *model) mayCountAsForeign(namespace types.UID, object string) bool {
	forgotten, stripped := m.stripped[namespace][object]
	return stripped && (forgotten || m.ever(namespace, m.audited))
}

// strip remembers that an object was stripped, and whether a report remembers it.
func (m *model) strip(namespace types.UID, object string, remembered bool) {
	if m.stripped[namespace] == nil {
		m.stripped[namespace] = map[string]bool{}
	}
	m.stripped[namespace][object] = m.stripped[namespace][object] || !remembered
}

// forget remembers that the report of a namespace was tampered with: of what is stripped it may say
// nothing any more.
func (m *model) forget(namespace types.UID) {
	for object := range m.stripped[namespace] {
		m.stripped[namespace][object] = true
	}
}

// selects is the model's own reading of a profile's selector, for the selectors that randomSelector
// makes.
func selects(profile *v1alpha1.SecurityProfile, name, tier string) bool {
	for _, glob := range profile.Spec.ExcludeNamespaces {
		if matched, _ := path.Match(glob, name); matched {
			return false
		}
	}
	return selectsTier(profile, tier)
}

func selectsTier(profile *v1alpha1.SecurityProfile, tier string) bool {
	selector := profile.Spec.NamespaceSelector
	if len(selector.MatchExpressions) > 0 {
		return slices.Contains(selector.MatchExpressions[0].Values, tier)
	}
	if len(selector.MatchLabels) > 0 {
		return selector.MatchLabels[tierLabel] == tier
	}
	return true
}

// selecting are the profiles that select a namespace, the one that governs it first.
func (m *model) selecting(name, tier string) []*v1alpha1.SecurityProfile {
	var selecting []*v1alpha1.SecurityProfile
	for _, profile := range m.profiles {
		if selects(profile, name, tier) {
			selecting = append(selecting, profile)
		}
	}
	slices.SortFunc(selecting, byRank)
	return selecting
}

// byRank puts profiles in the order in which they govern.
func byRank(a, b *v1alpha1.SecurityProfile) int {
	if a.Spec.Priority != b.Spec.Priority {
		return int(b.Spec.Priority - a.Spec.Priority)
	}
	return strings.Compare(a.Name, b.Name)
}

// maybe is a draw with a chance.
func maybe(r *rand.Rand, chance float64) bool { return r.Float64() < chance }

// randomSpec is the spec of a profile. Whether it adopts depends on its name alone, so that the
// model can tell what it may have taken over.
func randomSpec(r *rand.Rand, name string) v1alpha1.SecurityProfileSpec {
	spec := v1alpha1.SecurityProfileSpec{
		Enforcement: choose.OneOf(
			r,
			v1alpha1.EnforcementEnforce,
			v1alpha1.EnforcementEnforce,
			v1alpha1.EnforcementEnforce,
			v1alpha1.EnforcementEnforce,
			v1alpha1.EnforcementAudit,
		),
		Priority: r.Int32N(4),
		DeletionPolicy: choose.OneOf(
			r,
			v1alpha1.DeletionPolicyDelete,
			v1alpha1.DeletionPolicyDelete,
			v1alpha1.DeletionPolicyRetain,
		),
		ExcludeNamespaces: []string{"default", choose.OneOf(r, "*-n9", strings.SplitAfter(name, "-")[0]+"n9")},
		NamespaceSelector: randomSelector(r),
		Adoption:          v1alpha1.AdoptionNever,
		Rollout:           v1alpha1.RolloutImmediate,
	}
	if maybe(r, 0.5) {
		spec.Rollout = v1alpha1.RolloutWhenSafe
	}
	spec.Findings = randomFindings(r)
	if strings.HasSuffix(name, "-adopts") {
		spec.Adoption = v1alpha1.AdoptionAdopt
	}
	if maybe(r, 0.7) {
		spec.PodSecurity = &v1alpha1.PodSecurity{
			Enforce: choose.OneOf[v1alpha1.PodSecurityLevel](r, "baseline", "restricted"),
		}
		if maybe(r, 0.5) {
			spec.PodSecurity.Warn, spec.PodSecurity.Version = "restricted", "v1.37"
		}
	}
	if maybe(r, 0.9) || spec.PodSecurity == nil {
		spec.Network = randomNetwork(r)
	}
	if maybe(r, 0.6) {
		spec.Limits = []v1alpha1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: amount("cpu", 1+r.IntN(4))}}
	}
	for i := range r.IntN(3) {
		quota := corev1.ResourceQuotaSpec{Hard: amount("pods", 2+r.IntN(9))}
		switch n := r.IntN(10); {
		case n == 0: // Nobody knows such a resource, so that it is never counted.
			quota.Hard["count/widgets.example.com"] = resource.MustParse("1")
		case n < 5:
			quota.Scopes = []corev1.ResourceQuotaScope{
				choose.OneOf(r, corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopeTerminating),
			}
		}
		spec.Quotas = append(spec.Quotas, v1alpha1.Quota{Name: v1alpha1.ObjectName(fmt.Sprintf("quota-%d", i)), Spec: quota})
	}
	if maybe(r, 0.7) {
		spec.RBAC = randomRBAC(r)
	}
	drawAdmission(r, &spec)
	return spec
}

func randomFindings(r *rand.Rand) *v1alpha1.Findings {
	switch n := r.IntN(20); {
	case n < 3:
		return &v1alpha1.Findings{Mode: v1alpha1.FindingsModeDisabled}
	case n < 7:
		return &v1alpha1.Findings{
			Mode:   v1alpha1.FindingsModeReport,
			Ignore: []v1alpha1.FindingID{v1alpha1.FindingIDNetworkReopened, v1alpha1.FindingIDPodSecurityViolated},
		}
	}
	return nil
}

// randomSelector selects one tier, or both.
func randomSelector(r *rand.Rand) v1alpha1.NamespaceSelector {
	switch r.IntN(5) {
	case 0:
		return v1alpha1.NamespaceSelector{MatchExpressions: []v1alpha1.LabelRequirement{
			{Key: tierLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{"a", "b"}},
		}}
	case 1, 2:
		return v1alpha1.NamespaceSelector{MatchLabels: map[string]string{tierLabel: "a"}}
	default:
		return v1alpha1.NamespaceSelector{MatchLabels: map[string]string{tierLabel: "b"}}
	}
}

func randomNetwork(r *rand.Rand) *v1alpha1.Network {
	n := &v1alpha1.Network{
		DefaultDeny: choose.OneOf(r,
			[]networkingv1.PolicyType{"Ingress"},
			[]networkingv1.PolicyType{"Ingress", "Egress"}),
	}
	if maybe(r, 0.5) {
		n.AllowSameNamespace = &v1alpha1.AllowSameNamespace{}
	}
	if len(n.DefaultDeny) == 2 && maybe(r, 0.5) {
		n.AllowDNS = &v1alpha1.AllowDNS{}
	}
	if maybe(r, 0.4) {
		n.Policies = []v1alpha1.NetworkPolicy{{Name: "extra", Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": choose.OneOf(r, "web", "db")}},
			PolicyTypes: []networkingv1.PolicyType{"Ingress"},
		}}}
	}
	return n
}

func randomRBAC(r *rand.Rand) *v1alpha1.RBAC {
	rbac := &v1alpha1.RBAC{}
	roles := []v1alpha1.ObjectName{"developer", "reader"}
	for _, name := range roles {
		if maybe(r, 0.6) {
			rbac.Roles = append(rbac.Roles, v1alpha1.Role{
				Name: name,
				Rules: []v1alpha1.PolicyRule{{
					Resources: []string{"pods"}, Verbs: choose.OneOf(r, []string{"get"}, []string{"get", "list", "watch"}),
				}},
				Subjects: []v1alpha1.Subject{{Kind: "Group", Name: choose.OneOf(r, "developers", "testers")}},
			})
		}
	}
	if maybe(r, 0.15) {
		rbac.Roles = append(rbac.Roles, v1alpha1.Role{
			Name:     greedy,
			Rules:    []v1alpha1.PolicyRule{{Resources: []string{"secrets"}, Verbs: []string{"get"}}},
			Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "developers"}},
		})
	}
	if maybe(r, 0.6) {
		rbac.Bindings = []v1alpha1.RoleBinding{
			{
				Name:        "members",
				ClusterRole: choose.OneOf(r, "view", "edit"),
				Subjects:    []v1alpha1.Subject{{Kind: "Group", Name: "on-call"}},
			},
		}
	}
	if maybe(r, 0.6) {
		account := v1alpha1.ServiceAccount{Name: "app", AutomountServiceAccountToken: choose.OneOf(r, nil, ptr.To(true))}
		if len(rbac.Roles) > 0 {
			account.Roles = []v1alpha1.ObjectName{rbac.Roles[0].Name}
		}
		rbac.ServiceAccounts = []v1alpha1.ServiceAccount{account}
	}
	if maybe(r, 0.5) || len(rbac.Roles)+len(rbac.Bindings)+len(rbac.ServiceAccounts) == 0 {
		rbac.DefaultServiceAccount = &v1alpha1.DefaultServiceAccount{}
	}
	return rbac
}

func amount(name corev1.ResourceName, n int) corev1.ResourceList {
	return corev1.ResourceList{name: *resource.NewQuantity(int64(n), resource.DecimalSI)}
}
