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
	"github.com/bulwark-dev/bulwark/internal/posture"
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

// deferObjects takes what is to be deferred out of the drifts, and puts what is to be kept in its
// place meanwhile. Under Audit it only finds what would be deferred, if it were enforced. If a
// check fails, the object is deferred: it cannot be told what it would refuse.
func (r *NamespaceReconciler) deferObjects(
	ctx context.Context, p *posture.Pass, desired []baseline.Object, drifts []drift.Drift,
) (remaining []drift.Drift, deferred *posture.Deferrals, err error) {
	deferred = &posture.Deferrals{Kept: map[v1alpha1.ObjectReference]baseline.Object{}}
	if !p.Audits() && !p.Profile.WaitsUntilSafe() {
		return drifts, deferred, nil
	}
	candidates := mayWait(p, drifts)
	err = r.findRefused(ctx, p, desired, candidates)
	for _, d := range drifts {
		i := slices.IndexFunc(candidates, func(w *waiting) bool { return w.Object == d.Object && !w.refused.Empty() })
		if i < 0 {
			remaining = append(remaining, d)
			continue
		}
		w := candidates[i]
		deferred.Blocked = append(deferred.Blocked, blockedBy(w.Object, w.refused))
		deferred.Kept[w.Object] = w.before
		if p.Audits() {
			remaining = append(remaining, d)
			continue
		}
		remaining = append(remaining, w.interim(p.Ours)...)
	}
	return remaining, deferred, err
}

// blockedBy is an object that is deferred, as a report has it.
func blockedBy(ref v1alpha1.ObjectReference, refused *tightening.Refused) v1alpha1.BlockedObject {
	return v1alpha1.BlockedObject{
		Object: ref, Message: refused.Message(), Violators: refused.Names(), ViolatorsTotal: refused.Total,
	}
}

// mayWait are the drifts of objects that refuse more than what is in place does. What somebody loosened is corrected at once,
// whatever runs by now: it was in place before. What was refused or another maker's never was.
func mayWait(p *posture.Pass, drifts []drift.Drift) []*waiting {
	var candidates []*waiting
	for _, d := range drifts {
		if d.Want == nil || d.Foreign || !baseline.CanRefuse(d.Want) {
			continue
		}
		before, remembered := p.Before(d.Want)
		if !remembered && p.Current() && !p.Audits() && p.HeldAsDeclared(d.Object) {
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

// tightens reports whether an object may refuse what another lets in. Of a LimitRange or quota that is another than before the check
// itself tells.
func tightens(want, before baseline.Object) bool {
	ns, ok := want.(*corev1.Namespace)
	if !ok {
		return baseline.RefusingContent(want) != baseline.RefusingContent(before)
	}
	var labels map[string]string
	if before != nil {
		labels = before.GetLabels()
	}
	return tightening.StricterLabels(ns.Labels, labels)
}

// findRefused asks what each candidate would refuse: of a level the API server, of a quota in place Kubernetes' own count, and of
// everything else the pods themselves.
func (r *NamespaceReconciler) findRefused(ctx context.Context, p *posture.Pass, desired []baseline.Object, candidates []*waiting) error {
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
func (r *NamespaceReconciler) checkPods(ctx context.Context, p *posture.Pass, checks []podCheck) error {
	if len(checks) == 0 {
		return nil
	}
	_, err := r.eachPod(ctx, p.Namespace.Name, func(pod *corev1.Pod) {
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
func (r *NamespaceReconciler) refusedByLevel(ctx context.Context, p *posture.Pass, want *corev1.Namespace) (*tightening.Refused, error) {
	ctx, warnings := clusteraccess.CollectWarnings(ctx)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": baseline.EnforcedLabels(want.Labels)}})
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	if err := r.dryRun(ctx, p.Namespace, patch); err != nil {
		return nil, fmt.Errorf("asking what the Pod Security level of namespace %s would refuse: %w", want.Name, err)
	}
	refused := tightening.RefusedByLevel(warnings.Texts())
	level, declared := findings.LevelOf(p.Profile)
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
func (r *NamespaceReconciler) refusedByPods(ctx context.Context, p *posture.Pass, level *findings.Level) (*tightening.Refused, error) {
	refused := &tightening.Refused{}
	_, err := r.eachPod(ctx, p.Namespace.Name, func(pod *corev1.Pod) {
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
	baseline.CopyRefusing(keep, w.before)
	return drift.Compare([]baseline.Object{keep}, found, ours)
}
