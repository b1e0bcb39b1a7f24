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
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// secondLook is how long after a look that found nothing in the way of rules for pods another must
// find nothing either: between the end of a pod and its replacement there is none to be seen.
const secondLook = 10 * time.Second

// podSection is a section of rules for pods in one namespace, and what there is to know before it
// is put in force.
type podSection struct {
	posture.Section
	// before are the rules that were in force before; nil if there were none.
	before *offline.Rules
	// refused is what the section would refuse of what runs, and what was in force before does not.
	refused tightening.Refused
}

// deferRules decides which sections of rules for pods are deferred in the namespace, since pods
// that run there break them, and by which labels the namespace says so. Under Audit it only finds
// what would be deferred, if it were enforced. If pods cannot be judged, the section is deferred.
// It returns when to look at them once more; zero is never.
func (r *NamespaceReconciler) deferRules(
	ctx context.Context, p *posture.Pass, pods *podScan,
) (deferred *posture.Deferrals, again time.Duration, err error) {
	var sections, undecided []*podSection
	for _, section := range admission.PodSections(p.Profile) {
		s := &podSection{Section: posture.Section{PodSection: section, InForce: section.Content}}
		sections = append(sections, s)
		before, known := p.RulesInForce(&section)
		s.Unknown, s.WasDeferred = !known, p.WasDeferred(&section)
		if before == section.Content || !p.Audits() && !p.Profile.WaitsUntilSafe() {
			continue
		}
		rules, err := r.rulesBefore(p, &section, before)
		if err != nil {
			continue // What was in force cannot be kept; so nothing is looser by what is declared.
		}
		s.before, s.InForce = rules, before
		undecided = append(undecided, s)
	}
	deferred = &posture.Deferrals{}
	deferred.Blocked, again, err = r.decideRules(ctx, p, undecided, pods)
	for _, s := range sections {
		deferred.Sections = append(deferred.Sections, s.Section)
	}
	if p.Defers() {
		deferred.Labels = posture.SectionLabels(p.Profile.Name, deferred.Sections)
	}
	return deferred, again, err
}

// rulesBefore are the rules that were in force instead of a section; nil if there were none.
func (r *NamespaceReconciler) rulesBefore(p *posture.Pass, section *admission.PodSection, content string) (*offline.Rules, error) {
	before, err := section.Instead(p.Profile, content)
	if err != nil || content == "" {
		return nil, err
	}
	return r.rules.of(before)
}

// decideRules puts those sections in force that refuse nothing of what runs, and returns those that
// do not come in force.
func (r *NamespaceReconciler) decideRules(
	ctx context.Context, p *posture.Pass, undecided []*podSection, pods *podScan,
) (blocked []v1alpha1.BlockedObject, again time.Duration, err error) {
	if len(undecided) == 0 {
		return nil, 0, nil
	}
	seen, err := r.seePods(ctx, p, pods, undecided)
	for _, s := range undecided {
		if err != nil {
			s.refused = *unknown(err)
		} else {
			seen.refusedBy(s, p.Profile.Name)
		}
		switch {
		case !s.refused.Empty():
			r.looks.dirty(p.Namespace.Name, s.Label)
		case s.WasDeferred && !p.Audits() && !r.looks.cleanFor(p.Namespace.Name, s.Label, secondLook, r.Clock.Now()):
			s.refused.Reasons = []string{"nothing that runs breaks " + s.Field + " any more; it is looked at once more before it denies"}
			again = secondLook
		default:
			r.looks.dirty(p.Namespace.Name, s.Label)
			s.InForce = s.Content
			continue
		}
		blocked = append(blocked, blockedBy(s.Policy(p.Profile.Name), &s.refused))
	}
	return blocked, again, err
}

// podScan holds what one pass over the pods of a namespace has seen, once it has been made.
type podScan struct{ seen *podsSeen }

// podsSeen is what one pass over the pods of a namespace has seen.
type podsSeen struct {
	// violations are what the pods violate of the declared Pod Security level, by name.
	violations map[string]string
	// broken are what those pods break that break rules for pods, by name, and admitted the
	// sections whose rules of before they keep.
	broken   map[string]offline.Broken
	admitted map[string][]*podSection
	unseen   int64
}

// seePods looks at the pods of the namespace, once a pass, and holds them against what is declared
// and what the sections had in force before.
func (r *NamespaceReconciler) seePods(
	ctx context.Context, p *posture.Pass, pods *podScan, sections []*podSection,
) (*podsSeen, error) {
	if pods.seen != nil {
		return pods.seen, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	rules, err := r.rules.of(p.Profile)
	if err != nil {
		return nil, err
	}
	seen := &podsSeen{violations: map[string]string{}, broken: map[string]offline.Broken{}, admitted: map[string][]*podSection{}}
	level, leveled := findings.LevelOf(p.Profile)
	asked := ask(p, rules, sections)
	var failure error
	seen.unseen, err = r.eachPod(ctx, p.Namespace.Name, func(pod *corev1.Pod) {
		if violation, violates := findViolation(level, leveled, pod); violates {
			seen.violations[pod.Name] = violation
		}
		if failure == nil && !isOverdue(pod, r.Clock.Now()) {
			failure = seen.hold(ctx, asked, pod)
		}
	})
	if err := errors.Join(failure, err); err != nil {
		return nil, fmt.Errorf("looking at the pods of namespace %s: %w", p.Namespace.Name, err)
	}
	pods.seen = seen
	return seen, nil
}

// askedRules are the rules that pods are held against: those that are declared, and, by the
// policies of their sections, those of before.
type askedRules struct {
	declared *offline.Asked
	before   map[*podSection]*offline.Asked
	policies map[*podSection]string
}

func ask(p *posture.Pass, declared *offline.Rules, sections []*podSection) *askedRules {
	asked := &askedRules{declared: declared.In(p.Namespace), before: map[*podSection]*offline.Asked{}, policies: map[*podSection]string{}}
	for _, s := range sections {
		if s.before != nil {
			asked.before[s], asked.policies[s] = s.before.In(p.Namespace), s.Policy(p.Profile.Name).Name
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

// isOverdue reports whether a pod should have ended already: its node is away, and whatever
// replaces it has been made.
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

// maxCompiled bounds the rules that are kept compiled: those of as many profiles, or of what was in
// force before.
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
