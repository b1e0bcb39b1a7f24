package chaos

import (
	"encoding/json"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// facts are those on a namespace, drawn from its objects as they are.
func (c *check) facts(namespace string) *findings.Facts {
	f := &findings.Facts{
		Policies:     map[string]findings.Policy{},
		Bindings:     map[string]findings.Binding{},
		Accounts:     map[string]findings.MountedToken{},
		Limits:       map[string]findings.LimitDefaults{},
		Roles:        map[string]findings.Powers{},
		ClusterRoles: c.clusterRoles,
	}
	f.Exceeded = map[string]string{}
	for _, o := range c.objects[namespace] {
		if _, ours := o.GetLabels()[v1alpha1.ProfileLabel]; ours {
			continue
		}
		switch o := o.(type) {
		case *networkingv1.NetworkPolicy:
			draw(f.Policies, o, findings.PolicyOf)
		case *corev1.LimitRange:
			draw(f.Limits, o, findings.LimitsOf)
		case *corev1.ServiceAccount:
			draw(f.Accounts, o, findings.AccountOf)
		case *rbacv1.Role:
			draw(f.Roles, o, findings.RoleOf)
		case *rbacv1.RoleBinding:
			draw(f.Bindings, o, findings.BindingOf)
		}
	}
	return f
}

func draw[O client.Object, F any](into map[string]F, o O, fact func(O) (F, bool)) {
	if f, any := fact(o); any {
		into[o.GetName()] = f
	}
}

// counted reports whether Kubernetes holds requests against all that a quota declares.
func counted(quota *corev1.ResourceQuota) bool {
	for name, declared := range quota.Spec.Hard {
		hard, inForce := quota.Status.Hard[name]
		if _, counted := quota.Status.Used[name]; !inForce || !counted || hard.Cmp(declared) != 0 {
			return false
		}
	}
	return true
}

// addExceeded adds the quotas of the baseline of which more is used than they grant. Of what waits
// nothing is said.
func (c *check) addExceeded(
	f *findings.Facts,
	ns *corev1.Namespace,
	profile *v1alpha1.SecurityProfile,
	report *v1alpha1.NamespacePosture,
) {
	for _, want := range baseline.Render(profile, ns.Name) {
		for _, o := range c.objects[ns.Name] {
			quota, ok := o.(*corev1.ResourceQuota)
			if !ok || baseline.Reference(want) != baseline.Reference(quota) {
				continue
			}
			asDeclared := slices.ContainsFunc(report.Objects, func(o v1alpha1.ManagedObject) bool {
				return o.ObjectReference == baseline.Reference(quota) &&
					(o.State == v1alpha1.ObjectStateCompliant || o.State == v1alpha1.ObjectStateUncounted)
			})
			if counts := counting.Of(quota); asDeclared && len(counts.Exceeded) > 0 {
				f.Exceeded[quota.Name] = counts.ExceededSentence()
			}
		}
	}
}

// checkFindings holds that the report finds what weakens the baseline, and nothing else.
func (c *check) checkFindings(
	ns *corev1.Namespace,
	profile *v1alpha1.SecurityProfile,
	report *v1alpha1.NamespacePosture,
) {
	var want []v1alpha1.Finding
	if profile.Spec.Findings == nil || profile.Spec.Findings.Mode != v1alpha1.FindingsModeDisabled {
		facts := c.facts(ns.Name)
		c.addExceeded(facts, ns, profile, report)
		if level, declared := findings.LevelOf(profile); declared && profile.LooksFor(v1alpha1.FindingIDPodSecurityViolated) {
			facts.Pods.Violations = map[string]string{}
			for _, pod := range c.pods[ns.Name] {
				if violation, violates := level.Violation(pod); violates {
					facts.Pods.Violations[pod.Name] = violation
				}
			}
		}
		if profile.HasPodRules() && profile.LooksFor(v1alpha1.FindingIDWorkloadRuleViolated) {
			facts.Pods.Rules = c.ruleViolations(ns, profile)
		}
		want = findings.Judge(profile, ns.Name, facts)
	}
	got := report.Findings
	if diff := cmp.Diff(want[:min(len(want), v1alpha1.MaxFindings)], got, cmpopts.EquateEmpty()); diff != "" {
		c.differ("the report of namespace %s finds something else (-want +got): %s", ns.Name, diff)
	}
	if diff := cmp.Diff(findings.Total(want), report.FindingTotals, cmpopts.EquateEmpty()); diff != "" {
		c.differ("the report of namespace %s counts findings otherwise (-want +got): %s", ns.Name, diff)
	}
}

// mayWait reports whether the report says that an object waits, and holds that it has reason to:
// what it would refuse is there, and what the report remembers to be in its place is.
func (c *check) mayWait(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile, d drift.Drift) bool {
	report := c.reports[ns.Name]
	if report == nil || profile.EffectiveEnforcement() != v1alpha1.EnforcementEnforce || !profile.WaitsUntilSafe() {
		return false
	}
	waits := slices.ContainsFunc(report.Objects, func(o v1alpha1.ManagedObject) bool {
		return o.ObjectReference == d.Object && o.State == v1alpha1.ObjectStateBlocked
	})
	if !waits {
		return false
	}
	if !slices.ContainsFunc(report.Blocked, func(b v1alpha1.BlockedObject) bool { return b.Object == d.Object }) {
		c.differ("%s %s in namespace %s waits, and nothing says why", d.Object.Kind, d.Object.Name, ns.Name)
	}
	if !c.refusesSomething(ns, profile, d.Want) {
		c.differ("%s %s in namespace %s waits, and would refuse nothing", d.Object.Kind, d.Object.Name, ns.Name)
	}
	c.checkInPlace(report, d)
	return true
}

// refusesSomething reports whether a pod that is there would be refused, or more is used than there
// would be.
func (c *check) refusesSomething(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile, want baseline.Object) bool {
	pods := c.pods[ns.Name]
	switch want := want.(type) {
	case *corev1.Namespace:
		level, declared := findings.LevelOf(profile)
		return declared && slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
			_, violates := level.Violation(pod)
			return violates
		})
	case *corev1.LimitRange:
		check := tightening.NewLimitCheck(want.Spec.Limits, nil, c.otherLimits(ns.Name, want.Name)...)
		for _, pod := range pods {
			check.Add(pod)
		}
		return !check.Result().Empty()
	case *corev1.ResourceQuota:
		return want.Spec.Hard.Pods().Value() < int64(len(pods))
	}
	return false
}

// otherLimits are the items of each LimitRange in a namespace but that of a name: a pod that is made
// anew has the defaults of all.
func (c *check) otherLimits(namespace, name string) [][]corev1.LimitRangeItem {
	var others [][]corev1.LimitRangeItem
	for _, o := range c.objects[namespace] {
		if limits, ok := o.(*corev1.LimitRange); ok && limits.Name != name {
			others = append(others, limits.Spec.Limits)
		}
	}
	return others
}

// checkInPlace holds that what the report remembers to be in place of an object that waits is in
// place.
func (c *check) checkInPlace(report *v1alpha1.NamespacePosture, d drift.Drift) {
	i := slices.IndexFunc(
		report.OperatorState.InPlace,
		func(o v1alpha1.ObjectContent) bool { return o.Object == d.Object },
	)
	if i < 0 {
		c.differ(
			"%s %s in namespace %s waits, and nothing says what is in its place",
			d.Object.Kind,
			d.Object.Name,
			report.Namespace,
		)
		return
	}
	live := ""
	switch o := d.Got.(type) {
	case *corev1.Namespace: // Where no level was, whoever may label the namespace may set one.
		held := map[string]string{}
		_ = json.Unmarshal(
			[]byte(report.OperatorState.InPlace[i].Content),
			&held,
		) // What cannot be read is not what is there.
		if live = asJSON(baseline.EnforcedLabels(o.Labels)); len(held) == 0 {
			live = asJSON(held)
		}
	case *corev1.LimitRange:
		live = asJSON(o.Spec)
	case *corev1.ResourceQuota:
		live = asJSON(o.Spec)
	}
	if live != report.OperatorState.InPlace[i].Content {
		c.differ("%s %s in namespace %s waits; in its place should be %s and is %s",
			d.Object.Kind, d.Object.Name, report.Namespace, report.OperatorState.InPlace[i].Content, live)
	}
}

func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
