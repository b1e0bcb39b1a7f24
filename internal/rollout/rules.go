package rollout

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// RuleDeferrals are what is decided on a profile's sections of rules for pods in one namespace.
type RuleDeferrals struct {
	*posture.Deferrals
	// Seen is what the scan of the pods has seen; nil if none was needed, or it failed.
	Seen *podscan.Seen
	// Again is how long it is until the pods are to be scanned once more; zero is never.
	Again time.Duration
}

// podSection is a section of rules for pods in one namespace, and what there is to know before it
// is put in force.
type podSection struct {
	posture.Section
	// before are the rules that were in force before; nil if there were none.
	before *offline.Rules
	// refused is what the section would refuse of what runs, and what was in force before does not.
	refused tightening.Refused
}

// Rules decides which sections of rules for pods are deferred in the namespace, since pods that run
// there break them, and by which labels the namespace says so. Under Audit it only finds what would
// be deferred, if it were enforced. If pods cannot be judged, the section is deferred.
func (g *Gate) Rules(ctx context.Context, p *posture.Pass, now time.Time) (RuleDeferrals, error) {
	var sections, undecided []*podSection
	for _, section := range admission.PodSections(p.Profile) {
		s := &podSection{Section: posture.Section{PodSection: section, InForce: section.Content}}
		sections = append(sections, s)
		before, known := p.RulesInForce(&section)
		s.Unknown, s.WasDeferred = !known, p.WasDeferred(&section)
		if before == section.Content || !p.Audits() && !p.Profile.WaitsUntilSafe() {
			continue
		}
		rules, err := g.rulesBefore(p, &section, before)
		if err != nil {
			continue // What was in force cannot be kept; so nothing is looser by what is declared.
		}
		s.before, s.InForce = rules, before
		undecided = append(undecided, s)
	}
	deferred, err := g.decideRules(ctx, p, undecided, now)
	for _, s := range sections {
		deferred.Sections = append(deferred.Sections, s.Section)
	}
	if p.Defers() {
		deferred.Labels = posture.SectionLabels(p.Profile.Name, deferred.Sections)
	}
	return deferred, err
}

// rulesBefore are the rules that were in force instead of a section; nil if there were none.
func (g *Gate) rulesBefore(p *posture.Pass, section *admission.PodSection, content string) (*offline.Rules, error) {
	before, err := section.Instead(p.Profile, content)
	if err != nil || content == "" {
		return nil, err
	}
	return g.scanner.Rules.Of(before)
}

// decideRules puts those sections in force that refuse nothing of what runs, and returns those that
// do not come in force.
func (g *Gate) decideRules(
	ctx context.Context, p *posture.Pass, undecided []*podSection, now time.Time,
) (deferred RuleDeferrals, err error) {
	deferred.Deferrals = &posture.Deferrals{}
	if len(undecided) == 0 {
		return deferred, nil
	}
	deferred.Seen, err = g.scanner.Scan(ctx, p, formerRules(undecided, p.Profile.Name), now)
	for _, s := range undecided {
		if err != nil {
			s.refused = *unknown(err)
		} else {
			s.refused = s.refusedOf(deferred.Seen, p.Profile.Name)
		}
		switch {
		case !s.refused.Empty():
			g.clearances.end(p.Namespace.Name, s.Label)
		case s.WasDeferred && !p.Audits() && !g.clearances.confirm(p.Namespace.Name, s.Label, secondScan, now):
			s.refused.Reasons = []string{
				"nothing that runs breaks " + s.Field + " any more; it is looked at once more before it denies",
			}
			deferred.Again = secondScan
		default:
			g.clearances.end(p.Namespace.Name, s.Label)
			s.InForce = s.Content
			continue
		}
		deferred.Blocked = append(deferred.Blocked, blockedBy(s.Policy(p.Profile.Name), &s.refused))
	}
	return deferred, err
}

// formerRules are the rules that were in force before, by the policy that is to take their place.
func formerRules(sections []*podSection, profile string) map[string]*offline.Rules {
	former := map[string]*offline.Rules{}
	for _, s := range sections {
		if s.before != nil {
			former[s.Policy(profile).Name] = s.before
		}
	}
	return former
}

// refusedOf is which of the pods that were seen a section would refuse, but for those that are
// refused already.
func (s *podSection) refusedOf(seen *podscan.Seen, profile string) tightening.Refused {
	var refused tightening.Refused
	policy := s.Policy(profile).Name
	rules := map[string]bool{}
	for _, pod := range slices.Sorted(maps.Keys(seen.Broken)) {
		words := seen.Broken[pod][policy]
		if len(words) == 0 || s.before != nil && !slices.Contains(seen.Admitted[pod], policy) {
			continue
		}
		refused.AddPod(pod, strings.Join(words, "; "))
		for _, w := range words {
			rule, _, _ := strings.Cut(w, ":")
			rules[rule] = true
		}
	}
	if refused.Total > 0 {
		headline := "pods that run break rules of " + s.Field + ": " + strings.Join(slices.Sorted(maps.Keys(rules)), ", ")
		refused.Reasons = append([]string{headline}, refused.Reasons...)
	}
	return refused
}

// blockedBy is what is deferred, as a report has it.
func blockedBy(ref v1alpha1.ObjectReference, refused *tightening.Refused) v1alpha1.BlockedObject {
	return v1alpha1.BlockedObject{
		Object: ref, Message: refused.Message(), Violators: refused.Names(), ViolatorsTotal: refused.Total,
	}
}

// unknown is what cannot be told.
func unknown(err error) *tightening.Refused {
	return &tightening.Refused{Reasons: []string{"what it would refuse cannot be told: " + err.Error()}}
}
