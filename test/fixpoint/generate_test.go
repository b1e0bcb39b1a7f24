// Package fixpoint tests that what Render makes is what the API server stores: applied and read back, nothing differs.
package fixpoint

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// profiles generates valid SecurityProfiles, with odd values wherever the API server may store another form than was given.
func profiles() *rapid.Generator[*v1alpha1.SecurityProfile] {
	return rapid.Custom(func(t *rapid.T) *v1alpha1.SecurityProfile {
		spec := v1alpha1.SecurityProfileSpec{
			NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"no": "namespace"}},
			PodSecurity:       optional(t, "podSecurity", podSecurity),
			Network:           optional(t, "network", network),
			RBAC:              optional(t, "rbac", rbac),
		}
		if rapid.Bool().Draw(t, "limits") {
			spec.Limits = limits(t)
		}
		if rapid.Bool().Draw(t, "quotas") {
			spec.Quotas = quotas(t)
		}
		if spec.PodSecurity == nil && spec.Network == nil && spec.RBAC == nil && spec.Limits == nil && spec.Quotas == nil {
			spec.PodSecurity = podSecurity(t)
		}
		return &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "generated"}, Spec: spec}
	})
}

func optional[T any](t *rapid.T, name string, generate func(*rapid.T) *T) *T {
	if rapid.Bool().Draw(t, name) {
		return generate(t)
	}
	return nil
}

func pick[T any](t *rapid.T, name string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, name)
}

func some[T comparable](t *rapid.T, name string, least int, from ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, len(from), rapid.ID[T]).Draw(t, name)
}

func podSecurity(t *rapid.T) *v1alpha1.PodSecurity {
	levels := []v1alpha1.PodSecurityLevel{"privileged", "baseline", "restricted"}
	versions := []v1alpha1.PodSecurityVersion{"", "latest", "v1.37", "v1.0"}
	ps := &v1alpha1.PodSecurity{Enforce: pick(t, "enforce", levels...), Version: pick(t, "version", versions...)}
	ps.EnforceVersion = pick(t, "enforceVersion", versions...)
	if rapid.Bool().Draw(t, "warns") {
		ps.Warn, ps.WarnVersion = pick(t, "warn", levels...), pick(t, "warnVersion", versions...)
	}
	return ps
}

func network(t *rapid.T) *v1alpha1.Network {
	n := &v1alpha1.Network{
		DefaultDeny: some(t, "defaultDeny", 1, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress),
	}
	n.AllowSameNamespace = rapid.Bool().Draw(t, "sameNamespace")
	if slices.Contains(n.DefaultDeny, networkingv1.PolicyTypeEgress) {
		n.AllowDNS = optional(t, "allowDNS", func(t *rapid.T) *v1alpha1.AllowDNS {
			return &v1alpha1.AllowDNS{
				NamespaceSelector: pick(t, "dnsNamespaces", selectors()...),
				PodSelector:       pick(t, "dnsPods", selectors()...),
				Ports:             pick(t, "dnsPorts", nil, []v1alpha1.DNSPort{{Port: 5353}, {Protocol: "TCP", Port: 53}}),
			}
		})
		n.AllowAPIServer = optional(t, "allowAPIServer", func(t *rapid.T) *v1alpha1.AllowAPIServer {
			return &v1alpha1.AllowAPIServer{
				CIDRs: some(t, "cidrs", 1, "10.0.0.1/32", "192.168.0.0/16", "fd00::/8"),
				Ports: pick(t, "apiPorts", nil, []int32{443, 6443}),
			}
		})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
		n.Policies = append(n.Policies, v1alpha1.NetworkPolicy{Name: nth("policy", i), Spec: policy(t)})
	}
	return n
}

func selectors() []*metav1.LabelSelector {
	return []*metav1.LabelSelector{
		nil,
		{},
		{MatchLabels: map[string]string{"app": "web", "empty": ""}},
		{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"b", "a"}},
			{Key: "example.com/x", Operator: metav1.LabelSelectorOpDoesNotExist},
		}},
	}
}

func policy(t *rapid.T) networkingv1.NetworkPolicySpec {
	spec := networkingv1.NetworkPolicySpec{PodSelector: *pick(t, "pods", selectors()[1:]...)}
	for range rapid.IntRange(0, 2).Draw(t, "ingressRules") {
		spec.Ingress = append(spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers(t), Ports: ports(t)})
	}
	for range rapid.IntRange(0, 2).Draw(t, "egressRules") {
		spec.Egress = append(spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers(t), Ports: ports(t)})
	}
	spec.PolicyTypes = pick(t, "policyTypes", nil, []networkingv1.PolicyType{},
		[]networkingv1.PolicyType{"Egress", "Ingress"}, []networkingv1.PolicyType{"Egress"}, []networkingv1.PolicyType{"Ingress"})
	return spec
}

func peers(t *rapid.T) []networkingv1.NetworkPolicyPeer {
	return pick(t, "peers", nil, []networkingv1.NetworkPolicyPeer{},
		[]networkingv1.NetworkPolicyPeer{{PodSelector: selectors()[1]}},
		[]networkingv1.NetworkPolicyPeer{{NamespaceSelector: selectors()[2], PodSelector: selectors()[3]}, {NamespaceSelector: selectors()[1]}},
		[]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16", "10.2.0.0/16"}}}},
		[]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "2001:db8::/32"}}},
	)
}

func ports(t *rapid.T) []networkingv1.NetworkPolicyPort {
	udp, sctp := corev1.ProtocolUDP, corev1.ProtocolSCTP
	return pick(t, "ports", nil, []networkingv1.NetworkPolicyPort{},
		[]networkingv1.NetworkPolicyPort{{}},
		[]networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(80))}, {Protocol: &udp, Port: ptr.To(intstr.FromString("dns"))}},
		[]networkingv1.NetworkPolicyPort{{Protocol: &sctp, Port: ptr.To(intstr.FromInt32(9000)), EndPort: ptr.To[int32](9100)}},
	)
}

// quantities are in many notations, and in ascending order, so that a min may be drawn below a max.
var quantities = []string{"0", "0.0001", "1m", "10m", "0.1", "250m", "1", "1000m", "1500m", "2", "1e3", "1Ki", "0.5Mi", "1M", "1Mi", "1.5Gi", "1e12"}

func ascending(t *rapid.T, name string, n int) []resource.Quantity {
	indexes := rapid.SliceOfN(rapid.IntRange(0, len(quantities)-1), n, n).Draw(t, name)
	slices.Sort(indexes)
	var out []resource.Quantity
	for _, i := range indexes {
		out = append(out, resource.MustParse(quantities[i]))
	}
	return out
}

func limits(t *rapid.T) []v1alpha1.LimitRangeItem {
	var items []v1alpha1.LimitRangeItem
	types := some(t, "types", 1, corev1.LimitTypeContainer, corev1.LimitTypePod, corev1.LimitTypePersistentVolumeClaim)
	for _, limitType := range types {
		item := v1alpha1.LimitRangeItem{Type: limitType}
		names := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}
		if limitType == corev1.LimitTypePersistentVolumeClaim {
			names = []corev1.ResourceName{corev1.ResourceStorage}
		}
		for _, name := range names {
			limit(t, &item, name)
		}
		if item.Max == nil && item.Min == nil {
			set(&item.Max, names[0], resource.MustParse("1e12"))
		}
		items = append(items, item)
	}
	return items
}

func limit(t *rapid.T, item *v1alpha1.LimitRangeItem, name corev1.ResourceName) {
	q := ascending(t, string(item.Type)+string(name), 4)
	set := func(list *corev1.ResourceList, q resource.Quantity) {
		if rapid.Bool().Draw(t, "set") {
			set(list, name, q)
		}
	}
	set(&item.Min, q[0])
	if item.Type == corev1.LimitTypeContainer {
		set(&item.DefaultRequest, q[1])
		set(&item.Default, q[2])
	}
	set(&item.Max, q[3])
}

func set(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = q
}

func quotas(t *rapid.T) []v1alpha1.Quota {
	var out []v1alpha1.Quota
	for i := range rapid.IntRange(1, 3).Draw(t, "quotas") {
		hard := corev1.ResourceList{}
		for j, name := range some(t, "hard", 1, corev1.ResourcePods, "requests.cpu", "limits.memory") {
			hard[name] = ascending(t, fmt.Sprint("hard", j), 1)[0]
		}
		if pods, ok := hard[corev1.ResourcePods]; ok {
			hard[corev1.ResourcePods] = *resource.NewQuantity(pods.Value(), resource.DecimalSI)
		}
		spec := corev1.ResourceQuotaSpec{Hard: hard}
		switch pick(t, "scope", "none", "scopes", "selector") {
		case "scopes":
			spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeNotBestEffort}
		case "selector":
			spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
				ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn, Values: []string{"high", "low"},
			}}}
		default:
			hard["count/deployments.apps"] = resource.MustParse("10")
			hard["gold.storageclass.storage.k8s.io/requests.storage"] = resource.MustParse("0.5Ti")
		}
		out = append(out, v1alpha1.Quota{Name: nth("quota", i), Spec: spec})
	}
	return out
}

func rbac(t *rapid.T) *v1alpha1.RBAC {
	r := &v1alpha1.RBAC{}
	var names []v1alpha1.ObjectName
	for i := range rapid.IntRange(0, 3).Draw(t, "roles") {
		names = append(names, nth("role", i))
		r.Roles = append(r.Roles, v1alpha1.Role{Name: names[i], Rules: rules(t), Subjects: subjects(t, 0)})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "bindings") {
		r.Bindings = append(r.Bindings, v1alpha1.ClusterRoleBinding{
			Name: nth("binding", i), ClusterRole: pick(t, "clusterRole", "view", "edit"), Subjects: subjects(t, 1)})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "accounts") {
		account := v1alpha1.ServiceAccount{Name: nth("account", i), AutomountServiceAccountToken: pick(t, "automount", nil, ptr.To(true), ptr.To(false))}
		if len(names) > 0 {
			account.Roles = some(t, "accountRoles", 0, names...)
		}
		r.ServiceAccounts = append(r.ServiceAccounts, account)
	}
	r.DefaultServiceAccount = optional(t, "default", func(t *rapid.T) *v1alpha1.DefaultServiceAccount {
		return &v1alpha1.DefaultServiceAccount{AutomountServiceAccountToken: pick(t, "defaultAutomount", nil, ptr.To(true), ptr.To(false))}
	})
	return r
}

func rules(t *rapid.T) []v1alpha1.PolicyRule {
	return rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.PolicyRule{
		{Resources: []string{"pods"}, Verbs: []string{"get"}},
		{APIGroups: []string{"", "apps"}, Resources: []string{"pods/log", "deployments"}, Verbs: []string{"watch", "list", "get"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"a", "b"}, Verbs: []string{"update"}},
	}), 1, 3).Draw(t, "rules")
}

func subjects(t *rapid.T, least int) []v1alpha1.Subject {
	return rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.Subject{
		{Kind: "Group", Name: "oidc:developers"},
		{Kind: "User", Name: "jane@example.com", APIGroup: "rbac.authorization.k8s.io"},
		{Kind: "ServiceAccount", Name: "app"},
		{Kind: "ServiceAccount", Name: "deployer", Namespace: "ci"},
	}), least, 3).Draw(t, "subjects")
}

func nth(what string, i int) v1alpha1.ObjectName {
	return v1alpha1.ObjectName(fmt.Sprintf("%s-%d", what, i))
}
