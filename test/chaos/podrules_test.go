package chaos

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// inForceBy is what a report says of the rules of a section that are in force; the declared ones,
// if it says nothing.
func inForceBy(report *v1alpha1.NamespacePosture, profile string, section *admission.PodSection) string {
	if report != nil {
		for _, in := range report.OperatorState.InPlace {
			if in.Object == section.Policy(profile) {
				return in.Content
			}
		}
	}
	return section.Content
}

// heldBy are the rules for pods that are in force, in namespaces that the profile governs, in place
// of those that it declares.
func (c *check) heldBy(profile *v1alpha1.SecurityProfile) []admission.Held {
	if !enforces(profile) || !profile.WaitsUntilSafe() {
		return nil
	}
	held := map[admission.Held]bool{}
	for name, ns := range c.namespaces {
		selecting := c.w.model.selecting(name, ns.Labels[tierLabel])
		report := c.reports[name]
		if _, ours := c.w.model.namespaces[name]; !ours || len(selecting) == 0 || selecting[0].Name != profile.Name ||
			report == nil {
			continue
		}
		for _, section := range admission.PodSections(profile) {
			if content := inForceBy(report, profile.Name, &section); content != section.Content && content != "" {
				held[admission.Held{Policy: section.Policy(profile.Name).Name, Content: content}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(held), func(a, b admission.Held) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Content, b.Content))
	})
}

// broken are the rules that pods of a namespace break, by the pods' names.
func (c *check) broken(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile) map[string]offline.Broken {
	rules, err := offline.NewRules(profile)
	if err != nil {
		c.differ("the rules of profile %s do not compile: %v", profile.Name, err)
		return nil
	}
	all := map[string]offline.Broken{}
	for _, pod := range c.pods[ns.Name] {
		broken, err := rules.In(ns).Of(c.w.ctx, pod)
		if err != nil {
			c.differ(
				"pod %s in namespace %s cannot be held against the rules of profile %s: %v",
				pod.Name,
				ns.Name,
				profile.Name,
				err,
			)
		}
		if len(broken) > 0 {
			all[pod.Name] = broken
		}
	}
	return all
}

func (c *check) ruleViolations(
	ns *corev1.Namespace,
	profile *v1alpha1.SecurityProfile,
) map[string]findings.RuleViolation {
	violations := map[string]findings.RuleViolation{}
	for pod, broken := range c.broken(ns, profile) {
		var v findings.RuleViolation
		var words []string
		for _, policy := range slices.Sorted(maps.Keys(broken)) {
			words = append(words, broken[policy]...)
			action := v1alpha1.AdmissionAction("")
			if strings.HasSuffix(policy, "-images") {
				action = profile.Spec.Images.Action
			} else {
				action = profile.Spec.Workloads.Action
			}
			v.Denied = v.Denied || enforces(profile) && denies(action)
		}
		v.Words = strings.Join(words, "; ")
		violations[pod] = v
	}
	return violations
}

// rulesWait reports whether the namespace says that a section of rules for pods waits there, and
// holds that it has reason to, and that it says what the report does.
func (c *check) rulesWait(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile) bool {
	if !enforces(profile) || !profile.WaitsUntilSafe() {
		return false
	}
	waits := false
	for _, section := range admission.PodSections(profile) {
		report, policy := c.reports[ns.Name], section.Policy(profile.Name)
		content := inForceBy(report, profile.Name, &section)
		want := admission.Enforced
		if content != section.Content {
			want, waits = admission.Waits(profile.Name, content), true
			if !slices.ContainsFunc(report.Blocked, func(b v1alpha1.BlockedObject) bool { return b.Object == policy }) {
				c.differ("%s of profile %s waits in namespace %s, and nothing says why", section.Field, profile.Name, ns.Name)
			}
			if len(c.pods[ns.Name]) == 0 {
				c.differ("%s of profile %s waits in namespace %s, in which nothing runs", section.Field, profile.Name, ns.Name)
			}
		}
		if got := ns.Labels[section.Label]; got != want {
			c.differ(
				"namespace %s says %q of %s of profile %s, and should say %q",
				ns.Name,
				got,
				section.Field,
				profile.Name,
				want,
			)
		}
	}
	return waits
}

// inForce is a profile with the rules for pods that are in force in a namespace by its report, in
// which stricter ones may wait.
func (w *world) inForce(namespace string, profile *v1alpha1.SecurityProfile) (*v1alpha1.SecurityProfile, error) {
	if !enforces(profile) || !profile.WaitsUntilSafe() {
		return profile, nil
	}
	report := &v1alpha1.NamespacePosture{}
	err := w.insist(func() error {
		return w.admin.Get(w.ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)
	})
	if err != nil {
		return nil, err
	}
	inForce := profile
	for _, section := range admission.PodSections(profile) {
		content := inForceBy(report, profile.Name, &section)
		if content == section.Content {
			continue
		}
		if inForce, err = section.Instead(inForce, content); err != nil {
			return nil, err
		}
	}
	return inForce, nil
}
