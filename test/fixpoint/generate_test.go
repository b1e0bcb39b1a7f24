// Package fixpoint tests that what Render makes is what the API server stores: applied and read
// back, nothing differs.
package fixpoint

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/generate"
)

// profiles generates valid SecurityProfiles, with odd values wherever the API server may store
// another form than was given.
func profiles() *rapid.Generator[*v1alpha1.SecurityProfile] {
	return rapid.Custom(func(t *rapid.T) *v1alpha1.SecurityProfile {
		spec := v1alpha1.SecurityProfileSpec{
			NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"no": "namespace"}},
			PodSecurity:       generate.Optional(t, "podSecurity", podSecurity),
			Network:           generate.Optional(t, "network", network),
			RBAC:              generate.Optional(t, "rbac", rbac),
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

func podSecurity(t *rapid.T) *v1alpha1.PodSecurity {
	levels := []v1alpha1.PodSecurityLevel{"privileged", "baseline", "restricted"}
	versions := []v1alpha1.PodSecurityVersion{"", "latest", "v1.37", "v1.0"}
	ps := &v1alpha1.PodSecurity{Version: generate.OneOf(t, "version", versions...)}
	for _, mode := range generate.Some(t, "modes", 1, "enforce", "audit", "warn") {
		level, version := generate.OneOf(t, mode, levels...), generate.OneOf(t, mode+"Version", versions...)
		switch mode {
		case "enforce":
			ps.Enforce, ps.EnforceVersion = level, version
		case "audit":
			ps.Audit, ps.AuditVersion = level, version
		case "warn":
			ps.Warn, ps.WarnVersion = level, version
		}
	}
	return ps
}

func network(t *rapid.T) *v1alpha1.Network {
	n := &v1alpha1.Network{
		DefaultDeny: generate.Some(t, "defaultDeny", 0, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress),
	}
	if len(n.DefaultDeny) > 0 && rapid.Bool().Draw(t, "sameNamespace") {
		n.AllowSameNamespace = &v1alpha1.AllowSameNamespace{}
	}
	if slices.Contains(n.DefaultDeny, networkingv1.PolicyTypeEgress) {
		n.AllowDNS = generate.Optional(t, "allowDNS", func(t *rapid.T) *v1alpha1.AllowDNS {
			return &v1alpha1.AllowDNS{
				NamespaceSelector: generate.OneOf(t, "dnsNamespaces", selectors()...),
				PodSelector:       generate.OneOf(t, "dnsPods", selectors()...),
				CIDRs:             generate.Some(t, "dnsCIDRs", 0, "169.254.20.10/32", "FD00:0::/8", "10.96.0.0/12"),
				Ports: generate.OneOf(
					t,
					"dnsPorts",
					nil,
					[]v1alpha1.DNSPort{{Protocol: "UDP", Port: 5353}, {Port: 53}},
				),
			}
		})
		n.AllowAPIServer = generate.Optional(t, "allowAPIServer", func(t *rapid.T) *v1alpha1.AllowAPIServer {
			return &v1alpha1.AllowAPIServer{
				CIDRs: generate.Some(t, "cidrs", 1, "10.0.0.1/32", "192.168.0.0/16", "fd00::/8"),
				Ports: generate.OneOf(t, "apiPorts", nil, []int32{443, 6443}),
			}
		})
	}
	least := 0
	if len(n.DefaultDeny) == 0 {
		least = 1
	}
	for i := range rapid.IntRange(least, 3).Draw(t, "policies") {
		n.Policies = append(n.Policies, v1alpha1.NetworkPolicy{Name: nth("policy", i), Spec: policy(t, n.DefaultDeny)})
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

// policy leaves its types out only if it has no rules, or if all that Kubernetes defaults them to
// is denied.
func policy(t *rapid.T, denied []networkingv1.PolicyType) networkingv1.NetworkPolicySpec {
	spec := networkingv1.NetworkPolicySpec{PodSelector: *generate.OneOf(t, "pods", selectors()[1:]...)}
	for range rapid.IntRange(0, 2).Draw(t, "ingressRules") {
		spec.Ingress = append(spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers(t), Ports: ports(t)})
	}
	for range rapid.IntRange(0, 2).Draw(t, "egressRules") {
		spec.Egress = append(spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers(t), Ports: ports(t)})
	}
	types := [][]networkingv1.PolicyType{{"Egress", "Ingress"}, {"Egress"}, {"Ingress"}, {"Ingress", "Ingress"}}
	if len(spec.Ingress)+len(spec.Egress) == 0 ||
		slices.Contains(denied, "Ingress") && (len(spec.Egress) == 0 || slices.Contains(denied, "Egress")) {
		types = append(types, nil, []networkingv1.PolicyType{})
	}
	spec.PolicyTypes = generate.OneOf(t, "policyTypes", types...)
	return spec
}

func peers(t *rapid.T) []networkingv1.NetworkPolicyPeer {
	return generate.OneOf(
		t,
		"peers",
		nil,
		[]networkingv1.NetworkPolicyPeer{},
		[]networkingv1.NetworkPolicyPeer{{PodSelector: selectors()[1]}},
		[]networkingv1.NetworkPolicyPeer{
			{NamespaceSelector: selectors()[2], PodSelector: selectors()[3]},
			{NamespaceSelector: selectors()[1]},
		},
		[]networkingv1.NetworkPolicyPeer{
			{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16", "10.2.0.0/16"}}},
		},
		[]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "2001:db8::/32"}}},
		[]networkingv1.NetworkPolicyPeer{
			{IPBlock: &networkingv1.IPBlock{CIDR: "2001:DB8::/32", Except: []string{"2001:db8:1::/48"}}},
			{PodSelector: selectors()[2]},
		},
	)
}

func ports(t *rapid.T) []networkingv1.NetworkPolicyPort {
	udp, sctp := corev1.ProtocolUDP, corev1.ProtocolSCTP
	return generate.OneOf(
		t,
		"ports",
		nil,
		[]networkingv1.NetworkPolicyPort{},
		[]networkingv1.NetworkPolicyPort{{}},
		[]networkingv1.NetworkPolicyPort{
			{Port: ptr.To(intstr.FromInt32(80))},
			{Protocol: &udp, Port: ptr.To(intstr.FromString("dns"))},
		},
		[]networkingv1.NetworkPolicyPort{
			{Protocol: &sctp, Port: ptr.To(intstr.FromInt32(9000)), EndPort: ptr.To[int32](9100)},
		},
		[]networkingv1.NetworkPolicyPort{
			{Protocol: &udp},
			{Port: ptr.To(intstr.FromString("http"))},
			{Port: ptr.To(intstr.FromInt32(1)), EndPort: ptr.To[int32](1)},
		},
	)
}

// spellings are quantities in ascending order, so that a min may be drawn below a max, each in
// several notations: as text and as the integers that YAML makes of what is not quoted.
var spellings = [][]any{
	{"0", int64(0), "0.0"},
	{"0.0001", "100u", "1e-4"}, // Kubernetes stores 1m.
	{"0.7m", "700u"},
	{"1m", "0.001", "1e-3"},
	{"10m", ".01", "1e-2"},
	{"0.1", "100m", "+.1", "0.10"},
	{"250m", "0.25"},
	{"1", "1000m", "1.", "1e0", int64(1)},
	{"1500m", "1.5", "1.5000"},
	{"2", "2000m", int64(2)},
	{"1e3", "1k", "1E3", "1000", int64(1000)},
	{"1Ki", "1024", int64(1024)},
	{"0.5Mi", "512Ki", int64(524288)},
	{"1M", "1e6", "1000k"},
	{"1Mi", "1024Ki"},
	{"1.5Gi", "1536Mi", int64(1610612736)},
	{"1e12", "1T", "1000G", int64(1000000000000)},
}

func ascending(t *rapid.T, name string, n int) []resource.Quantity {
	indexes := rapid.SliceOfN(rapid.IntRange(0, len(spellings)-1), n, n).Draw(t, name)
	slices.Sort(indexes)
	var out []resource.Quantity
	for _, i := range indexes {
		out = append(out, resource.MustParse(spellings[i][0].(string)))
	}
	return out
}

// manifest is the profile as a user would write it.
func manifest(profile *v1alpha1.SecurityProfile) *unstructured.Unstructured {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(profile)
	if err != nil {
		panic(err) // Whatever can be generated can be converted.
	}
	delete(object, "status")
	u := &unstructured.Unstructured{Object: object}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SecurityProfile"))
	return u
}

// respelt gives each quantity of the profile one of its notations: a typed client writes the
// canonical one only, people do not.
func respelt(t *rapid.T, profile *unstructured.Unstructured) *unstructured.Unstructured {
	notations := map[string][]any{}
	for _, same := range spellings {
		canonical := resource.MustParse(same[0].(string))
		notations[canonical.String()] = same
	}
	spec := profile.Object["spec"].(map[string]any)
	limits, _ := spec["limits"].([]any)
	quotas, _ := spec["quotas"].([]any)
	for _, item := range slices.Concat(limits, quotas) {
		respell(t, item.(map[string]any), notations)
	}
	return profile
}

// respell walks the maps below an object, in the order of their keys, so that a seed always draws
// the same.
func respell(t *rapid.T, object map[string]any, notations map[string][]any) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch value := object[key].(type) {
		case map[string]any:
			respell(t, value, notations)
		case string:
			if same, ok := notations[value]; ok && key != "name" {
				object[key] = generate.OneOf(t, key, same...)
			}
		}
	}
}

func limits(t *rapid.T) []v1alpha1.LimitRangeItem {
	var items []v1alpha1.LimitRangeItem
	types := generate.Some(
		t,
		"types",
		1,
		corev1.LimitTypeContainer,
		corev1.LimitTypePod,
		corev1.LimitTypePersistentVolumeClaim,
	)
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
		if limitType == corev1.LimitTypeContainer && rapid.Bool().Draw(t, "device") {
			set(
				&item.Max,
				"example.com/device",
				resource.MustParse("2"),
			) // Default and request must be equal: they are defaulted.
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
	_, min := item.Min[name]
	_, max := item.Max[name]
	if !min || !max { // Else it may not be above max/min.
		set(&item.MaxLimitRequestRatio, resource.MustParse(generate.OneOf(t, "ratio", "1", "1.0001", "2500m", "1e3")))
	}
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
		for j, name := range generate.Some(t, "hard", 1, corev1.ResourcePods, "requests.cpu", "limits.memory") {
			hard[name] = ascending(t, fmt.Sprint("hard", j), 1)[0]
		}
		if pods, ok := hard[corev1.ResourcePods]; ok {
			hard[corev1.ResourcePods] = *resource.NewQuantity(pods.Value(), resource.DecimalSI)
		}
		spec := corev1.ResourceQuotaSpec{Hard: hard}
		spec = scoped(t, spec)
		out = append(out, v1alpha1.Quota{Name: nth("quota", i), Spec: spec})
	}
	return out
}

// scoped is the quota with scopes, and with resources that Kubernetes lets them bound.
func scoped(t *rapid.T, spec corev1.ResourceQuotaSpec) corev1.ResourceQuotaSpec {
	type (
		scope    = corev1.ResourceQuotaScope
		operator = corev1.ScopeSelectorOperator
	)
	selector := func(name scope, op operator, values ...string) corev1.ScopedResourceSelectorRequirement {
		return corev1.ScopedResourceSelectorRequirement{ScopeName: name, Operator: op, Values: values}
	}
	selected := func(requirements ...corev1.ScopedResourceSelectorRequirement) *corev1.ScopeSelector {
		return &corev1.ScopeSelector{MatchExpressions: requirements}
	}
	byPriority := selector("PriorityClass", "In", "low", "high")
	switch generate.OneOf(t, "scope", "none", "unbounded", "scopes", "bestEffort", "selector", "both", "volumes") {
	case "none":
		spec.Hard["count/deployments.apps"] = resource.MustParse("10")
		spec.Hard["gold.storageclass.storage.k8s.io/requests.storage"] = resource.MustParse("0.5Ti")
		spec.Hard["requests.example.com/device"] = resource.MustParse("2")
	case "unbounded":
		return corev1.ResourceQuotaSpec{}
	case "scopes":
		spec.Scopes = generate.OneOf(t, "scopes", []scope{"NotTerminating", "NotBestEffort"}, []scope{"Terminating"},
			[]scope{"CrossNamespacePodAffinity"}, []scope{"NotBestEffort", "NotBestEffort"}, []scope{})
	case "bestEffort":
		return corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{
				corev1.ResourcePods: resource.MustParse("1e3"),
			},
			Scopes: []scope{"BestEffort", "Terminating"},
		}
	case "selector":
		spec.ScopeSelector = generate.OneOf(t, "selector", &corev1.ScopeSelector{}, selected(byPriority),
			selected(selector("PriorityClass", "NotIn", "high"), selector("NotTerminating", "Exists")),
			selected(selector("PriorityClass", "Exists")), selected(selector("PriorityClass", "DoesNotExist")))
	case "both":
		spec.Scopes, spec.ScopeSelector = []scope{"NotBestEffort"}, selected(byPriority)
	case "volumes":
		return corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{
				corev1.ResourcePersistentVolumeClaims: resource.MustParse(
					"1k",
				),
				corev1.ResourceRequestsStorage: resource.MustParse("1.5Gi"),
			},
			ScopeSelector: selected(selector("VolumeAttributesClass", "In", "gold")),
		}
	}
	return spec
}

func rbac(t *rapid.T) *v1alpha1.RBAC {
	r := &v1alpha1.RBAC{}
	var names []v1alpha1.ObjectName
	for i := range rapid.IntRange(0, 3).Draw(t, "roles") {
		names = append(names, nth("role", i))
		r.Roles = append(r.Roles, v1alpha1.Role{Name: names[i], Rules: rules(t), Subjects: subjects(t, 0)})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "bindings") {
		r.Bindings = append(r.Bindings, v1alpha1.RoleBinding{
			Name: nth("binding", i), ClusterRole: generate.OneOf(t, "clusterRole", "view", "edit"), Subjects: subjects(t, 1)})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "accounts") {
		account := v1alpha1.ServiceAccount{
			Name:                         nth("account", i),
			AutomountServiceAccountToken: generate.OneOf(t, "automount", nil, ptr.To(true), ptr.To(false)),
		}
		if len(names) > 0 {
			account.Roles = generate.Some(t, "accountRoles", 0, names...)
		}
		r.ServiceAccounts = append(r.ServiceAccounts, account)
	}
	r.DefaultServiceAccount = generate.Optional(t, "default", func(t *rapid.T) *v1alpha1.DefaultServiceAccount {
		return &v1alpha1.DefaultServiceAccount{
			AutomountServiceAccountToken: generate.OneOf(t, "defaultAutomount", nil, ptr.To(true), ptr.To(false)),
		}
	})
	return r
}

func rules(t *rapid.T) []v1alpha1.PolicyRule {
	return rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.PolicyRule{
		{Resources: []string{"pods"}, Verbs: []string{"get"}},
		{
			APIGroups: []string{"", "apps"},
			Resources: []string{"pods/log", "deployments"},
			Verbs:     []string{"watch", "list", "get"},
		},
		{
			APIGroups:     []string{""},
			Resources:     []string{"configmaps"},
			ResourceNames: []string{"a", "b"},
			Verbs:         []string{"update"},
		},
		{
			APIGroups: []string{"example.com", "example.org"},
			Resources: []string{"widgets/scale"},
			Verbs:     []string{"frobnicate"},
		},
	}), 1, 3).Draw(t, "rules")
}

func subjects(t *rapid.T, least int) []v1alpha1.Subject {
	return rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.Subject{
		{Kind: "Group", Name: "oidc:developers"},
		{Kind: "User", Name: "jane@example.com", APIGroup: "rbac.authorization.k8s.io"},
		{Kind: "ServiceAccount", Name: "app"},
		{Kind: "ServiceAccount", Name: "deployer", Namespace: "ci"},
		{Kind: "ServiceAccount", Name: "odd", APIGroup: "rbac.authorization.k8s.io"},
	}), least, 3).Draw(t, "subjects")
}

func nth(what string, i int) v1alpha1.ObjectName {
	return v1alpha1.ObjectName(fmt.Sprintf("%s-%d", what, i))
}
