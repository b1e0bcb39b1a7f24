package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// waiting is an object of the baseline that may have to wait, since it is stricter than what is in place.
type waiting struct {
	drift.Drift
	// before is what is in place: what the last report remembers, else what was found; nil if there is nothing.
	before baseline.Object
	// refused is what the object would refuse of what runs.
	refused *tightening.Refused
}

// hold takes what must wait out of the drifts, and puts what is to be kept in its place meanwhile. Under Audit it only finds what
// would have to wait, if it were enforced. What the error concerns waits too, since it cannot be told what it would refuse.
func (r *NamespaceReconciler) hold(ctx context.Context, p *pass, desired []baseline.Object, drifts []drift.Drift) ([]drift.Drift, error) {
	if !p.audits() && !p.profile.WaitsUntilSafe() {
		return drifts, nil
	}
	candidates := p.mayWait(drifts)
	err := r.findRefused(ctx, p, desired, candidates)
	var remaining []drift.Drift
	for _, d := range drifts {
		i := slices.IndexFunc(candidates, func(w *waiting) bool { return w.Object == d.Object && !w.refused.Empty() })
		if i < 0 {
			remaining = append(remaining, d)
			continue
		}
		p.block(candidates[i])
		if p.audits() {
			remaining = append(remaining, d)
			continue
		}
		remaining = append(remaining, candidates[i].interim(p.ours)...)
	}
	return remaining, err
}

// block reports that an object waits, and remembers what stays in its place.
func (p *pass) block(w *waiting) {
	p.blocked = append(p.blocked, v1alpha1.BlockedObject{
		Object: w.Object, Message: w.refused.Message(), Violators: w.refused.Names(), ViolatorsTotal: w.refused.Total,
	})
	if p.kept == nil {
		p.kept = map[v1alpha1.ObjectReference]baseline.Object{}
	}
	p.kept[w.Object] = w.before
}

// mayWait are the drifts of objects that refuse more than what is in place does. What somebody loosened is corrected at once,
// whatever runs by now: it was in place before. What was refused or another maker's never was.
func (p *pass) mayWait(drifts []drift.Drift) []*waiting {
	var candidates []*waiting
	for _, d := range drifts {
		if d.Want == nil || d.Foreign || !canWait(d.Want) {
			continue
		}
		before, remembered := p.inPlace(d.Want)
		if !remembered && p.current() && !p.audits() && p.heldBefore(d.Object) {
			continue
		}
		if !remembered {
			before = d.Got
		}
		if tightens(d.Want, before) {
			candidates = append(candidates, &waiting{Drift: d, before: before, refused: &tightening.Refused{}})
		}
	}
	return candidates
}

// heldBefore reports whether an object was in place as declared by the last report, though somebody may have changed it since.
func (p *pass) heldBefore(ref v1alpha1.ObjectReference) bool {
	state, _ := p.reported(ref)
	return state == v1alpha1.ObjectCompliant || state == v1alpha1.ObjectUncounted || state == v1alpha1.ObjectDrifted
}

// canWait reports whether objects of this kind can refuse what runs in a namespace.
func canWait(o baseline.Object) bool {
	switch o.(type) {
	case *corev1.Namespace, *corev1.LimitRange, *corev1.ResourceQuota:
		return true
	}
	return false
}

// tightens reports whether an object may refuse what another lets in. Of a LimitRange or quota that is another than before the check
// itself tells.
func tightens(want, before baseline.Object) bool {
	ns, ok := want.(*corev1.Namespace)
	if !ok {
		return contentOf(want) != contentOf(before)
	}
	var labels map[string]string
	if before != nil {
		labels = before.GetLabels()
	}
	return tightening.StricterLabels(ns.Labels, labels)
}

// findRefused asks what each candidate would refuse: of a level the API server, of a quota in place Kubernetes' own count, and of
// everything else the pods themselves.
func (r *NamespaceReconciler) findRefused(ctx context.Context, p *pass, desired []baseline.Object, candidates []*waiting) error {
	var failures []error
	var checks []podCheck
	limitsOf := sync.OnceValues(func() (*tightening.LimitCheck, error) { return r.limitCheck(ctx, p, desired, candidates) })
	for _, w := range candidates {
		var err error
		var limits *tightening.LimitCheck
		switch want := w.Want.(type) {
		case *corev1.Namespace:
			w.refused, err = r.refusedByLevel(ctx, p, want)
		case *corev1.LimitRange:
			if limits, err = limitsOf(); err == nil {
				checks = append(checks, podCheck{w, limits})
			}
		case *corev1.ResourceQuota:
			var uncounted corev1.ResourceList
			if uncounted, err = r.refusedByQuota(ctx, w, want); len(uncounted) == 0 || scoped(want) {
				break
			}
			if limits, err = limitsOf(); err == nil {
				checks = append(checks, podCheck{w, tightening.NewQuotaCheck(uncounted, limits, r.Clock.Now())})
			}
		}
		if err != nil {
			w.refused = unknown(err)
			failures = append(failures, err)
		}
	}
	if err := r.checkPods(ctx, p, checks); err != nil {
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// podCheck is a check of one candidate that looks at every pod.
type podCheck struct {
	of *waiting
	tightening.PodCheck
}

// checkPods holds each pod of the namespace against the checks, in one pass over them.
func (r *NamespaceReconciler) checkPods(ctx context.Context, p *pass, checks []podCheck) error {
	if len(checks) == 0 {
		return nil
	}
	_, err := r.eachPod(ctx, p.namespace.Name, func(pod *corev1.Pod) {
		for _, check := range checks {
			check.Add(pod)
		}
	})
	for _, check := range checks {
		if err != nil {
			check.of.refused = unknown(err)
			continue
		}
		check.of.refused.Add(check.Result())
	}
	return err
}

// unknown is what cannot be told.
func unknown(err error) *tightening.Refused {
	return &tightening.Refused{Reasons: []string{"what it would refuse cannot be told: " + err.Error()}}
}

// scoped reports whether a quota counts some pods only. Then only Kubernetes itself can tell what it counts, once it is there.
func scoped(quota *corev1.ResourceQuota) bool {
	return len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil
}

func sameScopes(a, b *corev1.ResourceQuota) bool {
	return equality.Semantic.DeepEqual(a.Spec.Scopes, b.Spec.Scopes) && equality.Semantic.DeepEqual(a.Spec.ScopeSelector, b.Spec.ScopeSelector)
}

// refusedByLevel asks the API server, by a dry run, which pods the enforced level of the wanted labels would refuse.
func (r *NamespaceReconciler) refusedByLevel(ctx context.Context, p *pass, want *corev1.Namespace) (*tightening.Refused, error) {
	ctx, warnings := clusteraccess.CollectWarnings(ctx)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": tightening.EnforcedLabels(want.Labels)}})
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	if err := r.dryRun(ctx, p.namespace, patch); err != nil {
		return nil, fmt.Errorf("asking what the Pod Security level of namespace %s would refuse: %w", want.Name, err)
	}
	refused := tightening.RefusedByLevel(warnings.Texts())
	level, declared := findings.LevelOf(p.profile)
	unseen := refused.Empty() && tightening.Unfinished(warnings.Texts())
	if !declared || !unseen && !refused.Unnamed() {
		return refused, nil
	}
	byPods, err := r.refusedByPods(ctx, p, level)
	switch {
	case err != nil:
		return nil, err
	case byPods.Empty():
		return refused.Nameless(), nil
	case !refused.Empty(): // It begins with the level.
		byPods.Reasons = append(refused.Reasons[:1:1], byPods.Reasons...)
	}
	return byPods, nil
}

// refusedByPods holds the pods themselves against a level, where the API server has not looked at all of them, or has named one of many: it
// names another each time, and the report would never be the same twice.
func (r *NamespaceReconciler) refusedByPods(ctx context.Context, p *pass, level *findings.Level) (*tightening.Refused, error) {
	refused := &tightening.Refused{}
	_, err := r.eachPod(ctx, p.namespace.Name, func(pod *corev1.Pod) {
		if violation, violates := level.Violation(pod); violates {
			refused.AddPod(pod.Name, violation)
		}
	})
	return refused, err
}

// refusedByQuota holds a quota against what Kubernetes counted for the one in place, and says of what it has counted nothing.
func (r *NamespaceReconciler) refusedByQuota(ctx context.Context, w *waiting, want *corev1.ResourceQuota) (uncounted corev1.ResourceList, err error) {
	before, ok := w.before.(*corev1.ResourceQuota)
	if !ok || !sameScopes(want, before) {
		return want.Spec.Hard, nil
	}
	var live corev1.ResourceQuota
	err = r.Live.Get(ctx, client.ObjectKeyFromObject(want), &live)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the usage of %s: %w", describe(want), err)
	}
	w.refused = tightening.RefusedByQuota(want.Spec.Hard, before.Spec.Hard, live.Status.Used)
	return tightening.Uncounted(want.Spec.Hard, before.Spec.Hard, live.Status.Used), nil
}

// interim is what is to be done meanwhile: what was in place stays as it was, and a level that waits warns and audits.
func (w *waiting) interim(ours func(baseline.Object) bool) []drift.Drift {
	var found []baseline.Object
	if w.Got != nil {
		found = append(found, w.Got)
	}
	if ns, ok := w.Want.(*corev1.Namespace); ok {
		var held map[string]string
		if w.before != nil {
			held = w.before.GetLabels()
		}
		keep := ns.DeepCopy()
		keep.Labels = tightening.HoldLabels(ns.Labels, held)
		return drift.Compare([]baseline.Object{keep}, found, ours)
	}
	if w.before == nil {
		return nil
	}
	keep := w.Want.DeepCopyObject().(baseline.Object)
	setContent(keep, w.before)
	return drift.Compare([]baseline.Object{keep}, found, ours)
}

// inPlace is what the last report remembers to be in place of an object that may wait. It is nil, and remembered, if there was
// none. What cannot be read is not remembered: somebody has written into the report.
func (p *pass) inPlace(want baseline.Object) (before baseline.Object, remembered bool) {
	if p.previous == nil {
		return nil, false
	}
	ref := baseline.Reference(want)
	i := slices.IndexFunc(p.previous.InPlace, func(c v1alpha1.ObjectContent) bool { return c.Object == ref })
	if i < 0 {
		return nil, false
	}
	content := p.previous.InPlace[i].Content
	if content == "" {
		return nil, true
	}
	before = baseline.KindOf(want).New()
	before.SetNamespace(want.GetNamespace())
	before.SetName(want.GetName())
	if readContent(before, content) != nil {
		return nil, false
	}
	return before, true
}

// remember is what is in place of the objects that may wait, after the pass.
func (p *pass) remember(desired []baseline.Object, outcomes []drift.Outcome) []v1alpha1.ObjectContent {
	contents := p.rememberRules(outcomes)
	if p.audits() || !p.profile.WaitsUntilSafe() {
		return contents
	}
	for _, o := range desired {
		ref := baseline.Reference(o)
		if !canWait(o) {
			continue
		}
		if kept, blocked := p.kept[ref]; blocked {
			o = kept
		} else if !inPlaceNow(ref, outcomes) {
			before, remembered := p.inPlace(o)
			if !remembered {
				continue
			}
			o = before
		}
		if content := contentOf(o); len(content) <= v1alpha1.MaxContent {
			contents = append(contents, v1alpha1.ObjectContent{Object: ref, Content: content})
		} // What is larger is not remembered: it is held against what is found.
	}
	return contents
}

// inPlaceNow reports whether an object is as declared after the pass.
func inPlaceNow(ref v1alpha1.ObjectReference, outcomes []drift.Outcome) bool {
	i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref })
	return i < 0 || outcomes[i].State == v1alpha1.Corrected || outcomes[i].Done && len(outcomes[i].Mutated) == 0
}

// contentOf is what an object that may wait holds, as JSON; empty for none.
func contentOf(o baseline.Object) string {
	var content any
	switch o := o.(type) {
	case *corev1.Namespace:
		content = tightening.EnforcedLabels(o.Labels)
	case *corev1.LimitRange:
		content = o.Spec
	case *corev1.ResourceQuota:
		content = o.Spec
	default:
		return ""
	}
	text, err := json.Marshal(content)
	if err != nil { // None of these types fails to marshal.
		return ""
	}
	return string(text)
}

// readContent sets what contentOf wrote.
func readContent(o baseline.Object, content string) error {
	var into any
	switch o := o.(type) {
	case *corev1.Namespace:
		into = &o.Labels
	case *corev1.LimitRange:
		into = &o.Spec
	case *corev1.ResourceQuota:
		into = &o.Spec
	}
	if err := json.Unmarshal([]byte(content), into); err != nil {
		return fmt.Errorf("reading what is in place of %s: %w", describe(o), err)
	}
	return nil
}

// setContent makes an object hold what another of its kind does.
func setContent(o, from baseline.Object) {
	switch o := o.(type) {
	case *corev1.LimitRange:
		o.Spec = *from.(*corev1.LimitRange).Spec.DeepCopy()
	case *corev1.ResourceQuota:
		o.Spec = *from.(*corev1.ResourceQuota).Spec.DeepCopy()
	}
}
