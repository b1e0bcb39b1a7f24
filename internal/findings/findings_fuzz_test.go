package findings

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// FuzzJudge draws facts from objects, and judges them by a profile: whatever both hold, what is
// found is what can be reported, what is looked for, in its order, and the same another time.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{})
	for seed := range byte(16) {
		data := make([]byte, 512)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // It never fails.
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choose.By(data)
		p, facts := profile(someSpec(c)), someFacts(t, c)
		before := asJSON(t, []any{p, facts})
		found := Judge(p, "team-a", facts)
		if diff := cmp.Diff(found, Judge(p, "team-a", facts)); diff != "" {
			t.Errorf("another time (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(before, asJSON(t, []any{p, facts})); diff != "" {
			t.Errorf("the input was changed (-before +after):\n%s", diff)
		}
		for i, finding := range found {
			checkReportable(t, finding)
			if !p.LooksFor(finding.ID) {
				t.Errorf("%s is not looked for", finding.ID)
			}
			if i > 0 && gravestFirst(found[i-1], finding) > 0 {
				t.Errorf("%v stands before %v", found[i-1], finding)
			}
		}
		checkTotal(t, found)
	})
}

// checkReportable checks what the schema of a NamespacePosture asks of a finding.
func checkReportable(t *testing.T, f v1alpha1.Finding) {
	t.Helper()
	if !slices.Contains(severities, f.Severity) || f.Message == "" || f.Remedy == "" || f.Object.Name == "" ||
		f.Object.Kind == "" {
		t.Errorf("something lacks: %+v", f)
	}
	if utf8.RuneCountInString(f.Message) > 1025 || utf8.RuneCountInString(f.Remedy) > 512 || !utf8.ValidString(f.Message) {
		t.Errorf("no report can hold %+v", f)
	}
}

// checkTotal checks that totals are of as many as there are, each of its kind once.
func checkTotal(t *testing.T, found []v1alpha1.Finding) {
	t.Helper()
	type kind struct {
		id       v1alpha1.FindingID
		severity v1alpha1.Severity
	}
	want, got := map[kind]int32{}, map[kind]int32{}
	for _, f := range found {
		want[kind{f.ID, f.Severity}]++
	}
	totals := Total(found)
	for _, total := range totals {
		got[kind{total.ID, total.Severity}] += total.Count
	}
	if fmt.Sprint(want) != fmt.Sprint(got) || len(totals) != len(want) {
		t.Errorf("of %v the totals are %v", brief(found), totals)
	}
}

var ids = []v1alpha1.FindingID{
	"NetworkReopened", "PrivilegedBinding", "BroadBinding", "TokenMountedByDefault",
	"LimitDefaultsOverridden", "PodSecurityExempt", "PodSecurityOutdated", "PodSecurityViolated",
	"PodSecurityLabelSync", "WebhookUnreachable", "WorkloadNotAdmitted",
}

func someSpec(c *choose.Source) v1alpha1.SecurityProfileSpec {
	spec := v1alpha1.SecurityProfileSpec{
		Findings: choose.Of(c, nil, &v1alpha1.Findings{
			Mode: choose.Of[v1alpha1.FindingsMode](c, "", "Report", "Disabled"), Ignore: choose.Some(c, 3, ids...),
		}),
		PodSecurity: choose.Of(c, nil, &v1alpha1.PodSecurity{
			Enforce:        choose.Of[v1alpha1.PodSecurityLevel](c, "restricted", "baseline", "privileged", ""),
			EnforceVersion: choose.Of[v1alpha1.PodSecurityVersion](c, "", "latest", "v1.0", "v1.33", "v1.99", "x"),
		}),
		Network: choose.Of(c, &v1alpha1.Network{DefaultDeny: choose.Some(c, 2, ingress, egress)}, nil),
	}
	if c.Bool() {
		spec.Limits = []v1alpha1.LimitRangeItem{
			{
				Type: choose.Of(
					c,
					corev1.LimitTypeContainer,
					corev1.LimitTypePod,
				),
				Default:        someQuantities(c),
				DefaultRequest: someQuantities(c),
			},
		}
	}
	if c.Bool() {
		spec.RBAC = &v1alpha1.RBAC{
			Roles: []v1alpha1.Role{{Name: "developer", Subjects: declaredSubjects(c)}},
			Bindings: []v1alpha1.RoleBinding{
				{Name: "editors", ClusterRole: choose.Of(c, "edit", "admin", "view"), Subjects: declaredSubjects(c)},
			},
			ServiceAccounts: []v1alpha1.ServiceAccount{
				{Name: "app", AutomountServiceAccountToken: choose.Of(c, nil, ptr.To(true))},
			},
			DefaultServiceAccount: choose.Of(c, nil, &v1alpha1.DefaultServiceAccount{}),
		}
	}
	return spec
}

var subjects = []rbacv1.Subject{
	aUser(
		"ann",
	),
	aUser("eve"),
	aUser("system:anonymous"),
	aUser("system:serviceaccount:team-a:ci"),
	aGroup("devs"),
	aGroup("system:authenticated"),
	aGroup(
		"system:unauthenticated",
	),
	aGroup("system:serviceaccounts"),
	aGroup("system:serviceaccounts:team-a"),
	aGroup("system:serviceaccounts:other"),
	anAccount("", "ci"),
	anAccount("team-a", "ci"),
	anAccount("other", "ci"),
	{},
}

func declaredSubjects(c *choose.Source) []v1alpha1.Subject {
	var out []v1alpha1.Subject
	for _, s := range choose.Some(c, 3, subjects...) {
		out = append(out, v1alpha1.Subject{Kind: s.Kind, Name: s.Name, Namespace: s.Namespace})
	}
	return out
}

func someQuantities(c *choose.Source) corev1.ResourceList {
	return choose.Of(
		c,
		nil,
		quantities("cpu", "1"),
		quantities("cpu", "1000m"),
		quantities("cpu", "0", "memory", "1Gi"),
		quantities("storage", "1e100"),
	)
}

// someFacts are drawn from objects, as the operator does.
func someFacts(t *testing.T, c *choose.Source) *Facts {
	t.Helper()
	facts := &Facts{
		Policies:     map[string]Policy{},
		Bindings:     map[string]Binding{},
		Accounts:     map[string]MountedToken{},
		Limits:       map[string]LimitDefaults{},
		Roles:        map[string]Powers{},
		ClusterRoles: map[string]Powers{},
		Gates:        map[string]Gate{},
		Services:     map[string]*corev1.ServiceSpec{"hook": someService(c)},
		Callers: []Caller{
			{
				v1alpha1.ObjectReference{Kind: "APIService", Name: "v1.example.com"},
				CallOf(
					choose.Of(c, "team-a", "other"),
					choose.Of(c, "hook", strings.Repeat("x", 63)),
					choose.Of(c, nil, ptr.To[int32](80)),
					c.Bool(),
				),
			},
		},
		Shortages: map[string]Shortage{},
		Attempts:  map[string]Attempt{},
		LabelSync: LabelSyncOf(
			map[string]string{LabelSyncLabel: choose.Of(c, "", "true", "false")},
			choose.Some(c, 2, "kubectl", "cluster-policy-controller"),
		),
		GetOpensStreams: c.Bool(),
		Pods: PodFacts{
			Exempt: choose.Of(c, "", "it is exempt", "\xff"), Unseen: int64(c.Below(3)),
			Violations: choose.Of(c, nil, map[string]string{"web-0": "privileged", "web-1": ""}),
		},
	}
	for _, name := range choose.Some(c, 3, "a", "b", "default") {
		np := someNetworkPolicy(c)
		keep(facts.Policies, name, np, PolicyOf)
		keep(facts.Gates, name, np, GateOf)
		keep(facts.Shortages, name, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}}, StatefulSetShortage)
		keep(facts.Attempts, name, &corev1.Event{
			InvolvedObject: corev1.ObjectReference{
				Kind: choose.Of(c, "StatefulSet", "CronJob", "Pod"),
				Name: name,
			},
			Reason:  FailedCreate,
			Message: choose.Of(c, byRule, byQuota, byLevel, byLimit, "violates PodSecurity \"\xff\": \xff", "no"),
		}, AttemptOf)
		keep(facts.Bindings, name, &rbacv1.RoleBinding{
			RoleRef: rbacv1.RoleRef{
				Kind: choose.Of(c, "Role", "ClusterRole"),
				Name: choose.Of(c, "edit", "admin", "reader", "bulwark-developer", "missing"),
			},
			Subjects: choose.Some(c, 3, subjects...),
		}, BindingOf)
		keep(
			facts.Accounts,
			name,
			&corev1.ServiceAccount{AutomountServiceAccountToken: choose.Of(c, nil, ptr.To(true), ptr.To(false))},
			AccountOf,
		)
		keep(facts.Limits, name, &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
			{
				Type: choose.Of(
					c,
					corev1.LimitTypeContainer,
					corev1.LimitTypePod,
				),
				Default:        someQuantities(c),
				DefaultRequest: someQuantities(c),
			},
		}}}, LimitsOf)
	}
	for _, name := range choose.Some(c, 3, "edit", "admin", "reader", "bulwark-developer") {
		rules := []rbacv1.PolicyRule{
			{
				APIGroups: choose.Some(
					c,
					2,
					"",
					"*",
					"apps",
				),
				Resources: choose.Some(c, 2, "secrets", "pods/exec", "*/attach", "*", "serviceaccounts/token"),
				Verbs:     choose.Some(c, 3, "get", "create", "*", "bind", "escalate", "impersonate", "impersonate:user"),
			},
		}
		keep(facts.Roles, name, &rbacv1.Role{Rules: rules}, RoleOf)
		keep(
			facts.ClusterRoles,
			name,
			&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules},
			ClusterRoleOf,
		)
	}
	return facts
}

func someService(c *choose.Source) *corev1.ServiceSpec {
	return choose.Of(c, nil, &corev1.ServiceSpec{}, &corev1.ServiceSpec{
		Selector: map[string]string{
			"app":                              choose.Of(c, "web", "", strings.Repeat("x", 63)),
			strings.Repeat("p", 253) + "/name": "web",
		},
		Ports: []corev1.ServicePort{
			{
				Port:       choose.Of[int32](c, 443, 80),
				TargetPort: choose.Of(c, intstr.FromInt32(0), intstr.FromInt32(443), intstr.FromString("https")),
			},
		},
	})
}

// keep keeps what is drawn from an object, unless it is harmless.
func keep[O, F any](facts map[string]F, name string, o O, draw func(O) (F, bool)) {
	if fact, harmful := draw(o); harmful {
		facts[name] = fact
	}
}

func someNetworkPolicy(c *choose.Source) *networkingv1.NetworkPolicy {
	cidrs := []string{
		"0.0.0.0/0",
		"0.0.0.0/1",
		"128.0.0.0/1",
		"10.0.0.0/8",
		"0.0.0.0/00",
		"::/0",
		"2000::/4",
		"::ffff:0.0.0.0/96",
		"x",
		"",
	}
	np := &networkingv1.NetworkPolicy{}
	np.Spec.PolicyTypes = choose.Some(c, 2, ingress, egress)
	for range c.Below(3) {
		peers := choose.Some(
			c,
			3,
			peer{},
			block(choose.Of(c, cidrs...), choose.Some(c, 2, cidrs...)...),
			block(choose.Of(c, cidrs...)),
			namespaces()[0],
			namespaces(metav1.LabelSelectorRequirement{Key: "team", Operator: "Unheard"})[0],
			namespaces(metav1.LabelSelectorRequirement{Key: "team", Operator: choose.Of[metav1.LabelSelectorOperator](c, "NotIn", "In"), Values: []string{"a"}})[0],
			peer{
				NamespaceSelector: &metav1.LabelSelector{},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			},
		)
		ports := choose.Some(
			c,
			2,
			port{},
			tcp(443),
			port{EndPort: ptr.To[int32](3)},
			port{Protocol: ptr.To(corev1.ProtocolUDP)},
		)
		np.Spec.Ingress = append(np.Spec.Ingress, from(peers, ports...))
		if c.Bool() {
			np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers, Ports: ports})
		}
	}
	return np
}
