package admission

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// A section of rules for pods may wait in a namespace, since what runs there breaks it
// (spec.rollout: WhenSafe). The namespace says so by a label, which the bindings select by:
//
//	label of the namespace   what holds there
//	none, or enforced        the section as declared denies
//	waits-<digest>           the section as declared warns and audits; what was in force before denies, if anything was
//
// The digest is of the profile and of what was in force, so that a label that another profile has
// left holds nothing back.

// PodSection is a section of a profile whose rules for pods refuse what breaks them.
type PodSection struct {
	// Field is its path in the profile.
	Field string
	// Label is that of a namespace which says whether it waits there.
	Label string
	// Content are its rules, as JSON.
	Content string

	concern string
}

// PodSections are those of a profile, whatever its enforcement is.
func PodSections(profile *v1alpha1.SecurityProfile) []PodSection {
	var sections []PodSection
	if w := profile.Spec.Workloads; w != nil && denies(w.Action) {
		rules := *w
		rules.Action, rules.AllowedServiceTypes, rules.Except = "", nil, nil
		if contentOf(rules) != "" { // Exceptions alone are no rules.
			rules.Except = slices.Clone(w.Except)
			for i := range rules.Except {
				rules.Except[i].Reason = ""
			}
		}
		sections = append(
			sections,
			PodSection{Field: "spec.workloads", Label: v1alpha1.WorkloadsLabel, Content: contentOf(rules), concern: workloads},
		)
	}
	if im := profile.Spec.Images; im != nil && im.JudgesPods() && denies(im.Action) {
		rules := *im
		rules.Action, rules.Vulnerabilities = "", nil
		rules.Except = slices.Clone(im.Except)
		for i := range rules.Except {
			rules.Except[i].Reason = ""
		}
		sections = append(
			sections,
			PodSection{Field: "spec.images", Label: v1alpha1.ImagesLabel, Content: contentOf(rules), concern: images},
		)
	}
	return sections
}

func denies(action v1alpha1.AdmissionAction) bool {
	return action == "" || action == v1alpha1.AdmissionActionDeny
}

// maxContent bounds the content of a section; of a larger one it is a digest, by which it is still
// told from another.
const maxContent = v1alpha1.MaxContent

func contentOf(rules any) string {
	text, err := json.Marshal(rules)
	switch {
	case err != nil, string(text) == "{}": // The types do not fail to marshal. Without a rule there is nothing in force.
		return ""
	case len(text) > maxContent:
		return "sha256:" + digestOf(string(text))
	}
	return string(text)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Policy names the policy of the section for a profile of this name.
func (s *PodSection) Policy(profile string) v1alpha1.ObjectReference {
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
	policy.Name = nameOf(profile, s.concern)
	return baseline.Reference(policy)
}

// Instead is the profile with other rules in place of the section's; an error if they cannot be
// read.
func (s *PodSection) Instead(profile *v1alpha1.SecurityProfile, content string) (*v1alpha1.SecurityProfile, error) {
	other := *profile
	var into any
	switch s.concern {
	case workloads:
		other.Spec.Workloads = nil
		if content != "" {
			other.Spec.Workloads = &v1alpha1.Workloads{}
			into = other.Spec.Workloads
		}
	case images:
		other.Spec.Images = nil
		if content != "" {
			other.Spec.Images = &v1alpha1.Images{}
			into = other.Spec.Images
		}
	}
	if into == nil {
		return &other, nil
	}
	decoder := json.NewDecoder(strings.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return nil, fmt.Errorf("reading the rules of %s that were in force: %w", s.Field, err)
	}
	if !validWorkloads(other.Spec.Workloads) || !validImages(other.Spec.Images) {
		return nil, fmt.Errorf("reading the rules of %s that were in force: they are none that a profile may have", s.Field)
	}
	return &other, nil
}

// Enforced is the value of a section's label where it does not wait.
const Enforced = "enforced"

// Waits is the value of a section's label where it waits, and other rules of it are in force, or
// none.
func Waits(profile, inForce string) string {
	return waitsPrefix + digestOf(profile + "\x00" + inForce)[:waitsDigits]
}

const (
	waitsPrefix = "waits-"
	waitsDigits = 16
)

func isDigest(s string) bool {
	return len(s) == waitsDigits && strings.Trim(s, "0123456789abcdef") == ""
}

// Held are the rules of a section that are in force in some namespace in place of those that are
// declared.
type Held struct {
	// Policy is the name of the section's policy.
	Policy string
	// Content are the rules.
	Content string
}

const (
	waitingSuffix = "-waiting"
	heldInfix     = "-was-"
)

// IsHeld reports whether a policy or binding of a profile is one of the rules that are in force
// instead of those that are declared.
func IsHeld(profile, name string) bool {
	return JudgesPods(profile, name) &&
		(strings.HasPrefix(name, nameOf(profile, workloads)+heldInfix) ||
			strings.HasPrefix(name, nameOf(profile, images)+heldInfix))
}

// JudgesPods reports whether the policy or binding of this name is one of the rules for pods of the
// profile of that name.
func JudgesPods(profile, name string) bool {
	for _, concern := range []string{workloads, images} {
		own := nameOf(profile, concern)
		digest, held := strings.CutPrefix(name, own+heldInfix)
		if name == own || name == own+waitingSuffix || held && isDigest(digest) {
			return true
		}
	}
	return false
}

// waits reports whether the rules of a section wait where what runs breaks them.
func (r *renderer) waits(action v1alpha1.AdmissionAction) bool {
	return r.profile.WaitsUntilSafe() && !r.audits() && denies(action)
}

// sectionPolicies are the policies on a section's rules: one, or if they may wait, also the one
// that warns where they do, and one for each of the rules that are in force instead of them. Drafts
// are made of the rules of a profile.
func (r *renderer) sectionPolicies(s *PodSection, rulesOf func(*renderer) (draft, []podRule)) []Policy {
	d, rules := rulesOf(r)
	if len(rules) == 0 {
		return nil
	}
	if !r.waits(d.action) {
		return r.podPolicy(d, s.Field, rules)
	}
	values := []string{Waits(r.profile.Name, "")}
	var held []Policy
	for _, h := range r.cluster.Held {
		before, err := s.Instead(r.profile, h.Content)
		if h.Policy != nameOf(r.profile.Name, s.concern) || h.Content == "" || err != nil {
			continue // What cannot be read is in force nowhere: the namespace reconciler reads it in the same way.
		}
		value := Waits(r.profile.Name, h.Content)
		other := *r
		other.profile, other.spec, other.where.profile = before, &before.Spec, before
		was, rulesBefore := rulesOf(&other)
		was.concern += heldInfix + strings.TrimPrefix(value, waitsPrefix)
		was.where = []metav1.LabelSelectorRequirement{requirement(s.Label, metav1.LabelSelectorOpIn, value)}
		held = append(held, other.podPolicy(was, s.Field, rulesBefore)...)
		values = append(values, value)
	}
	d.where = []metav1.LabelSelectorRequirement{requirement(s.Label, metav1.LabelSelectorOpNotIn, values...)}
	waiting, _ := rulesOf(r)
	waiting.concern += waitingSuffix
	waiting.warns = true
	waiting.where = []metav1.LabelSelectorRequirement{requirement(s.Label, metav1.LabelSelectorOpIn, values...)}
	// The rules that are in force elsewhere go first, so that each namespace always has some in force.
	return append(append(held, r.podPolicy(waiting, s.Field, rules)...), r.podPolicy(d, s.Field, rules)...)
}

// guardHeld guards the labels of a namespace that say which sections wait there: with one of them,
// rules would only warn. A new namespace, as a backup restores it, may say that they deny, and not
// that they wait: what then ran before Bulwark has been there would have them wait on.
func (r *renderer) guardHeld() []tampering {
	var changed []string
	for _, s := range PodSections(r.profile) {
		changed = append(changed, fmt.Sprintf(`variables.labelsNow[?%[1]s] != variables.labelsBefore[?%[1]s] && `+
			`(oldObject != null || variables.labelsNow[?%[1]s] != optional.of(%[2]s))`, quote(s.Label), quote(Enforced)))
	}
	if len(changed) == 0 || !r.profile.WaitsUntilSafe() || r.audits() {
		return nil
	}
	return []tampering{{
		name:  "loosens",
		holds: `variables.governedNow && ` + some(changed),
		message: fmt.Sprintf("the labels %s and %s of a namespace, by which rules for pods wait, are set by Bulwark alone",
			v1alpha1.WorkloadsLabel, v1alpha1.ImagesLabel),
	}}
}

// PodRules are the rules for pods of a profile, whatever their action is: of each section a policy
// that asks each rule by itself, in the words in which it is broken.
func PodRules(profile *v1alpha1.SecurityProfile) []Policy {
	r := renderer{profile: profile, spec: &profile.Spec, where: governance{profile: profile}}
	var policies []Policy
	for _, rulesOf := range []func(*renderer) (draft, []podRule){(*renderer).workloadRules, (*renderer).imageRules} {
		if d, rules := rulesOf(&r); len(rules) > 0 {
			policies = append(policies, r.eachRule(d, rules))
		}
	}
	return policies
}
