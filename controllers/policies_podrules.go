package controllers

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// With the roll-out WhenSafe the rules for pods change only once every namespace has looked at what runs there: whoever breaks them says by
// its label that they wait. They change after a while all the same, since one namespace that cannot be looked at must not keep them from
// all others.
const lookPatience = 30 * time.Second

// maxHeld bounds the rules of a section that are in force in some namespaces in place of those that are declared. Where more would be,
// those that are declared are in force.
const maxHeld = 8

// podLooks are what reports say of the rules for pods of a profile.
type podLooks struct {
	// missing are the namespaces that have not been looked at for this generation.
	missing int
	// held are the rules that are in force in some namespaces in place of those that are declared.
	held []admission.Held
}

// podLooksOf reads the reports on the namespaces that a profile governs. It is a pure function.
func podLooksOf(
	profile *v1alpha1.SecurityProfile, selector *selection.Selector, namespaces []corev1.Namespace, reports map[string]*v1alpha1.NamespacePosture,
) podLooks {
	var looks podLooks
	sections := admission.PodSections(profile)
	if !profile.WaitsUntilSafe() || profile.EffectiveEnforcement() != v1alpha1.Enforce || len(sections) == 0 {
		return looks
	}
	declared := map[v1alpha1.ObjectReference]string{}
	for i := range sections {
		declared[sections[i].Policy(profile.Name)] = sections[i].Content
	}
	for i := range namespaces {
		ns := &namespaces[i]
		if _, governs := selector.Standing(profile.Name, ns); governs && ns.DeletionTimestamp.IsZero() {
			looks.add(profile, declared, reports[ns.Name])
		}
	}
	slices.SortFunc(looks.held, func(a, b admission.Held) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Content, b.Content))
	})
	return looks
}

// add adds what the report on one namespace says, if there is one.
func (l *podLooks) add(profile *v1alpha1.SecurityProfile, declared map[v1alpha1.ObjectReference]string, report *v1alpha1.NamespacePosture) {
	if report == nil || report.ProfileGeneration != profile.Generation || report.Enforcement != v1alpha1.Enforce {
		l.missing++
	}
	if report == nil {
		return
	}
	for _, in := range report.InPlace {
		if content, is := declared[in.Object]; is && in.Content != "" && in.Content != content {
			l.hold(admission.Held{Policy: in.Object.Name, Content: in.Content})
		}
	}
}

// hold adds rules that are in force somewhere, up to a bound for each section.
func (l *podLooks) hold(held admission.Held) {
	of := 0
	for _, other := range l.held {
		if other == held {
			return
		}
		if other.Policy == held.Policy {
			of++
		}
	}
	if of < maxHeld {
		l.held = append(l.held, held)
	}
}

// patience is how many namespaces are waited for, and since when it is as many.
type patience struct {
	generation int64
	missing    int
	since      time.Time
}

// lookFirst leaves the rules for pods as they are, as long as namespaces are to be looked at before they change.
func (p *policies) lookFirst(ctx context.Context, profile *v1alpha1.SecurityProfile, pass *policing, looks podLooks) error {
	if pass.steady || looks.missing == 0 {
		delete(p.patience, profile.Name)
		return nil
	}
	now := p.clock.Now()
	last, waits := p.patience[profile.Name]
	if !waits || last.generation != profile.Generation || looks.missing < last.missing || last.since.After(now) {
		last = patience{generation: profile.Generation, missing: looks.missing, since: now}
		p.patience[profile.Name] = last
	}
	if now.Sub(last.since) >= lookPatience {
		return nil
	}
	inPlace, err := p.labelled(ctx, profile.Name)
	if err != nil {
		return err
	}
	judges := func(o baseline.Object) bool { return admission.JudgesPods(profile.Name, o.GetName()) }
	kept := slices.DeleteFunc(inPlace, func(o baseline.Object) bool { return !judges(o) })
	pass.desired = append(slices.DeleteFunc(pass.desired, judges), kept...)
	pass.interim, pass.looking = true, looks.missing
	pass.comeBack(p.statusInterval)
	return nil
}
