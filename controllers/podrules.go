package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// secondLook is how long after a look that found nothing in the way of rules for pods another must find nothing either: between the end
// of a pod and its replacement there is none to be seen.
const secondLook = 10 * time.Second

// podSection is a section of rules for pods in one namespace.
type podSection struct {
	admission.PodSection
	// inForce are the rules that are in force in the namespace, after the pass.
	inForce string
	// waited says that by the last report the section waited, and unknown that it says nothing of what was in force.
	waited, unknown bool
	// before are the rules that were in force before; nil if there were none.
	before *offline.Rules
	// refused is what the section would refuse of what runs, and what was in force before does not.
	refused tightening.Refused
}

func (s *podSection) waits() bool { return s.inForce != s.Content }

// holdRules decides which sections of rules for pods wait in the namespace, since pods that run there break them, and has the namespace
// say so by its labels. Under Audit it only finds what would have to wait, if it were enforced. What cannot be told waits.
func (r *NamespaceReconciler) holdRules(ctx context.Context, p *pass, desired []baseline.Object) error {
	var undecided []*podSection
	for _, section := range admission.PodSections(p.profile) {
		s := &podSection{PodSection: section, inForce: section.Content}
		p.sections = append(p.sections, s)
		before, known := p.rulesInForce(&section)
		s.unknown, s.waited = !known, p.waited(&section)
		if before == section.Content || !p.audits() && !p.profile.WaitsUntilSafe() {
			continue
		}
		rules, err := r.rulesBefore(p, &section, before)
		if err != nil {
			continue // What was in force cannot be kept; so nothing is looser by what is declared.
		}
		s.before, s.inForce = rules, before
		undecided = append(undecided, s)
	}
	err := r.decideRules(ctx, p, undecided)
	if !p.audits() && p.profile.WaitsUntilSafe() {
		p.labelSections(desired[0])
	}
	return err
}

// rulesBefore are the rules that were in force instead of a section; nil if there were none.
func (r *NamespaceReconciler) rulesBefore(p *pass, section *admission.PodSection, content string) (*offline.Rules, error) {
	before, err := section.Instead(p.profile, content)
	if err != nil || content == "" {
		return nil, err
	}
	return r.rules.of(before)
}

// decideRules puts those sections in force that refuse nothing of what runs.
func (r *NamespaceReconciler) decideRules(ctx context.Context, p *pass, undecided []*podSection) error {
	if len(undecided) == 0 {
		return nil
	}
	seen, err := r.seePods(ctx, p)
	for _, s := range undecided {
		if err != nil {
			s.refused = *unknown(err)
		} else {
			seen.refusedBy(s, p.profile.Name)
		}
		switch {
		case !s.refused.Empty():
			r.looks.dirty(p.namespace.Name, s.Label)
		case s.waited && !p.audits() && !r.looks.cleanFor(p.namespace.Name, s.Label, secondLook, r.Clock.Now()):
			s.refused.Reasons = []string{"nothing that runs breaks " + s.Field + " any more; it is looked at once more before it denies"}
			p.lookAgain = secondLook
		default:
			r.looks.dirty(p.namespace.Name, s.Label)
			s.inForce = s.Content
			continue
		}
		p.blocked = append(p.blocked, v1alpha1.BlockedObject{
			Object: s.Policy(p.profile.Name), Message: s.refused.Message(), Violators: s.refused.Names(), ViolatorsTotal: s.refused.Total,
		})
	}
	return err
}

// rulesInForce are those of a section that were in force before the pass, and whether the last report says so, of whatever profile. Where
// a report of this generation says nothing, those that are declared have been in force without being remembered.
func (p *pass) rulesInForce(section *admission.PodSection) (content string, known bool) {
	if p.previous == nil || p.audits() {
		return "", false
	}
	ref := section.Policy(p.previous.Profile)
	for _, content := range p.previous.InPlace {
		if content.Object == ref {
			return content.Content, true
		}
	}
	if p.current() {
		return section.Content, false
	}
	return "", false
}

// waited reports whether a section waited by the last report.
func (p *pass) waited(section *admission.PodSection) bool {
	return p.previous != nil && slices.ContainsFunc(p.previous.Blocked, func(b v1alpha1.BlockedObject) bool {
		return b.Object == section.Policy(p.previous.Profile)
	})
}

// labelSections has the namespace say which sections wait. It waits with them.
func (p *pass) labelSections(namespace baseline.Object) {
	for _, s := range p.sections {
		value := admission.Enforced
		if s.waits() {
			value = admission.Waits(p.profile.Name, s.inForce)
			p.rulesWait = true
		}
		namespace.GetLabels()[s.Label] = value
	}
}

// holds reports whether an object waits, or a namespace for the sake of rules for pods.
func (p *pass) holds(ref v1alpha1.ObjectReference) bool {
	_, kept := p.kept[ref]
	return kept || p.rulesWait && ref.Kind == "Namespace"
}

// waits reports whether anything waits.
func (p *pass) waits() bool { return len(p.kept) > 0 || p.rulesWait }

// releases reports whether a drift is nothing but that sections are put in force which waited, or are said to be for the first time.
func (p *pass) releases(d *drift.Drift) bool {
	released := map[string]bool{}
	for _, s := range p.sections {
		released[s.Label] = s.unknown || s.waited && !s.waits()
	}
	return d.Object.Kind == "Namespace" && len(d.Fields) > 0 && !slices.ContainsFunc(d.Fields, func(f drift.Field) bool {
		return !released[f.Path[len(f.Path)-1]]
	})
}

// rememberRules are the rules for pods that are in force after the pass.
func (p *pass) rememberRules(outcomes []drift.Outcome) []v1alpha1.ObjectContent {
	if p.audits() {
		return nil
	}
	var contents []v1alpha1.ObjectContent
	labelled := inPlaceNow(baseline.Reference(p.namespace), outcomes)
	for _, s := range p.sections {
		content := s.inForce
		if !labelled && p.previous != nil {
			content, _ = p.rulesInForce(&s.PodSection)
		}
		contents = append(contents, v1alpha1.ObjectContent{Object: s.Policy(p.profile.Name), Content: content})
	}
	return contents
}

// podsSeen is what one pass over the pods of a namespace has seen.
type podsSeen struct {
	// violations are what the pods violate of the declared Pod Security level, by name.
	violations map[string]string
	// broken are what those pods break that break rules for pods, by name, and admitted the sections whose rules of before they keep.
	broken   map[string]offline.Broken
	admitted map[string][]*podSection
	unseen   int64
}

// seePods looks at the pods of the namespace, once a pass.
func (r *NamespaceReconciler) seePods(ctx context.Context, p *pass) (*podsSeen, error) {
	if p.seen != nil {
		return p.seen, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	rules, err := r.rules.of(p.profile)
	if err != nil {
		return nil, err
	}
	seen := &podsSeen{violations: map[string]string{}, broken: map[string]offline.Broken{}, admitted: map[string][]*podSection{}}
	level, leveled := findings.LevelOf(p.profile)
	asked := p.ask(rules)
	var failure error
	seen.unseen, err = r.eachPod(ctx, p.namespace.Name, func(pod *corev1.Pod) {
		if violation, violates := findViolation(level, leveled, pod); violates {
			seen.violations[pod.Name] = violation
		}
		if failure == nil && !isOverdue(pod, r.Clock.Now()) {
			failure = seen.hold(ctx, asked, pod)
		}
	})
	if err := errors.Join(failure, err); err != nil {
		return nil, fmt.Errorf("looking at the pods of namespace %s: %w", p.namespace.Name, err)
	}
	p.seen = seen
	return seen, nil
}

// askedRules are the rules that pods are held against: those that are declared, and, by the policies of their sections, those of before.
type askedRules struct {
	declared *offline.Asked
	before   map[*podSection]*offline.Asked
	policies map[*podSection]string
}

func (p *pass) ask(declared *offline.Rules) *askedRules {
	asked := &askedRules{declared: declared.In(p.namespace), before: map[*podSection]*offline.Asked{}, policies: map[*podSection]string{}}
	for _, s := range p.sections {
		if s.before != nil {
			asked.before[s], asked.policies[s] = s.before.In(p.namespace), s.Policy(p.profile.Name).Name
		}
	}
	return asked
}

// hold takes down what a pod breaks, and which rules of before it keeps.
func (seen *podsSeen) hold(ctx context.Context, asked *askedRules, pod *corev1.Pod) error {
	broken, err := asked.declared.Of(ctx, pod)
	if err != nil || len(broken) == 0 {
		return err
	}
	seen.broken[pod.Name] = broken
	for s, before := range asked.before {
		was, err := before.Of(ctx, pod)
		if err != nil {
			return err
		}
		if len(was[asked.policies[s]]) == 0 {
			seen.admitted[pod.Name] = append(seen.admitted[pod.Name], s)
		}
	}
	return nil
}

func findViolation(level *findings.Level, declared bool, pod *corev1.Pod) (string, bool) {
	if !declared {
		return "", false
	}
	return level.Violation(pod)
}

// isOverdue reports whether a pod should have ended already: its node is away, and whatever replaces it has been made.
func isOverdue(pod *corev1.Pod, now time.Time) bool {
	return pod.DeletionTimestamp != nil && pod.DeletionTimestamp.Time.Before(now)
}

// refusedBy says which of the pods a section would refuse, but for those that are refused already.
func (seen *podsSeen) refusedBy(s *podSection, profile string) {
	policy := s.Policy(profile).Name
	rules := map[string]bool{}
	for _, pod := range slices.Sorted(maps.Keys(seen.broken)) {
		words := seen.broken[pod][policy]
		if len(words) == 0 || s.before != nil && !slices.Contains(seen.admitted[pod], s) {
			continue
		}
		s.refused.AddPod(pod, strings.Join(words, "; "))
		for _, w := range words {
			rule, _, _ := strings.Cut(w, ":")
			rules[rule] = true
		}
	}
	if s.refused.Total > 0 {
		s.refused.Reasons = append([]string{"pods that run break rules of " + s.Field + ": " + strings.Join(slices.Sorted(maps.Keys(rules)), ", ")}, s.refused.Reasons...)
	}
}

// ruleViolations are what pods break, as findings have it.
func (seen *podsSeen) ruleViolations(profile *v1alpha1.SecurityProfile) map[string]findings.RuleViolation {
	denied := map[string]bool{}
	for _, s := range admission.PodSections(profile) {
		denied[s.Policy(profile.Name).Name] = profile.EffectiveEnforcement() == v1alpha1.Enforce
	}
	violations := map[string]findings.RuleViolation{}
	for pod, broken := range seen.broken {
		var v findings.RuleViolation
		var words []string
		for _, policy := range slices.Sorted(maps.Keys(broken)) {
			words = append(words, broken[policy]...)
			v.Denied = v.Denied || denied[policy]
		}
		v.Words = strings.Join(words, "; ")
		violations[pod] = v
	}
	return violations
}

// compiledRules are the rules of profiles, compiled. Workers share them.
type compiledRules struct {
	mu    sync.Mutex
	rules map[[sha256.Size]byte]*offline.Rules
}

// maxCompiled bounds the rules that are kept compiled: those of as many profiles, or of what was in force before.
const maxCompiled = 64

func newCompiledRules() *compiledRules {
	return &compiledRules{rules: map[[sha256.Size]byte]*offline.Rules{}}
}

// of are the rules of a profile. They are compiled once for each that differs in what they hang on.
func (c *compiledRules) of(profile *v1alpha1.SecurityProfile) (*offline.Rules, error) {
	spec := &profile.Spec
	text, err := json.Marshal([]any{profile.Name, spec.Workloads, spec.Images, spec.Limits, spec.RBAC})
	if err != nil {
		return nil, fmt.Errorf("reading the rules of SecurityProfile %s: %w", profile.Name, err)
	}
	key := sha256.Sum256(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if rules, compiled := c.rules[key]; compiled {
		return rules, nil
	}
	rules, err := offline.NewRules(profile.DeepCopy())
	if err != nil {
		return nil, fmt.Errorf("compiling the rules of SecurityProfile %s: %w", profile.Name, err)
	}
	if len(c.rules) >= maxCompiled {
		clear(c.rules)
	}
	c.rules[key] = rules
	return rules, nil
}
