package podscan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// Seen is what one scan of the pods of a namespace has seen.
type Seen struct {
	// Violations are what the pods violate of the declared Pod Security level, by name.
	Violations map[string]string
	// Broken are what those pods break that break rules for pods, by name.
	Broken map[string]offline.Broken
	// Admitted are, by the name of such a pod, the policies whose former rules it keeps.
	Admitted map[string][]string
	// Unseen is how many pods there are beyond those that were read.
	Unseen int64
}

// Scan reads the pods of the namespace, and judges them by what is declared and, for each policy in
// former, by the rules that it had before.
func (s *Scanner) Scan(
	ctx context.Context, p *posture.Pass, former map[string]*offline.Rules, now time.Time,
) (*Seen, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rules, err := s.Rules.Of(p.Profile)
	if err != nil {
		return nil, err
	}
	seen := &Seen{Violations: map[string]string{}, Broken: map[string]offline.Broken{}, Admitted: map[string][]string{}}
	level, leveled := findings.LevelOf(p.Profile)
	asked := ask(p.Namespace, rules, former)
	var failure error
	seen.Unseen, err = s.EachPod(ctx, p.Namespace.Name, func(pod *corev1.Pod) {
		if violation, violates := findViolation(level, leveled, pod); violates {
			seen.Violations[pod.Name] = violation
		}
		if failure == nil && !isOverdue(pod, now) {
			failure = seen.judge(ctx, asked, pod)
		}
	})
	if err := errors.Join(failure, err); err != nil {
		return nil, fmt.Errorf("looking at the pods of namespace %s: %w", p.Namespace.Name, err)
	}
	return seen, nil
}

// askedRules are the rules by which pods are judged: those that are declared, and by policy those
// of before.
type askedRules struct {
	declared *offline.Asked
	former   map[string]*offline.Asked
}

func ask(ns *corev1.Namespace, declared *offline.Rules, former map[string]*offline.Rules) *askedRules {
	asked := &askedRules{declared: declared.In(ns), former: map[string]*offline.Asked{}}
	for policy, rules := range former {
		asked.former[policy] = rules.In(ns)
	}
	return asked
}

// judge notes what a pod breaks, and which former rules it keeps.
func (s *Seen) judge(ctx context.Context, asked *askedRules, pod *corev1.Pod) error {
	broken, err := asked.declared.Of(ctx, pod)
	if err != nil || len(broken) == 0 {
		return err
	}
	s.Broken[pod.Name] = broken
	for policy, former := range asked.former {
		was, err := former.Of(ctx, pod)
		if err != nil {
			return err
		}
		if len(was[policy]) == 0 {
			s.Admitted[pod.Name] = append(s.Admitted[pod.Name], policy)
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

// ruleViolations are what pods break, as findings have it.
func (s *Seen) ruleViolations(profile *v1alpha1.SecurityProfile) map[string]findings.RuleViolation {
	denied := map[string]bool{}
	for _, section := range admission.PodSections(profile) {
		denied[section.Policy(profile.Name).Name] = profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce
	}
	violations := map[string]findings.RuleViolation{}
	for pod, broken := range s.Broken {
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
