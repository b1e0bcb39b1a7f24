package controllers

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

const (
	// podsPage is how many pods are read at a time, and maxPods how many at most of one namespace.
	podsPage = 500
	maxPods  = 5000

	// lookInterval is how often the pods of a namespace are looked at though nothing suggests that any violates its level: some may
	// have been admitted by an exemption of a user or of a runtime class.
	lookInterval = time.Hour
)

// weaknesses are the findings in the namespace, after the pass has done what it has.
func (r *NamespaceReconciler) weaknesses(ctx context.Context, p *pass, desired []baseline.Object, outcomes []outcome) ([]v1alpha1.Finding, error) {
	if r.foreign == nil || p.profile.Spec.Findings != nil && p.profile.Spec.Findings.Mode == v1alpha1.NoFindings {
		return nil, nil
	}
	facts := r.foreign.of(p.namespace.Name)
	for _, o := range desired {
		if !conflicts(baseline.Reference(o), outcomes) {
			facts.Forget(o) // It was stripped of our label for a moment, and was another maker's as long.
		}
	}
	if r.looksAtPods(p) && r.wantsLook(p, outcomes) {
		pods, err := r.lookAtPods(ctx, p)
		if err != nil {
			return nil, err
		}
		facts.Pods = *pods
	}
	return findings.Judge(p.profile, p.namespace.Name, facts), nil
}

func conflicts(ref v1alpha1.ObjectReference, outcomes []outcome) bool {
	return slices.ContainsFunc(outcomes, func(o outcome) bool { return o.Object == ref && o.state == v1alpha1.Conflict })
}

// podFindings are those for which pods are read, or the API server is asked.
var podFindings = []v1alpha1.FindingID{v1alpha1.PodSecurityViolated, v1alpha1.PodSecurityExempt}

func hasPodFindings(report *v1alpha1.NamespacePosture) bool {
	return slices.ContainsFunc(report.FindingTotals, func(t v1alpha1.FindingTotal) bool { return slices.Contains(podFindings, t.ID) })
}

// looksAtPods reports whether the profile declares a level that pods could violate, and wants to know of those that do.
func (r *NamespaceReconciler) looksAtPods(p *pass) bool {
	_, declared := findings.LevelOf(p.profile)
	return r.foreign != nil && declared && slices.ContainsFunc(podFindings, p.profile.LooksFor)
}

// wantsLook reports whether it is time to look at pods. A level that is enforced lets no violator in; so once none was there, there
// is none until the level changes, somebody takes it away for a moment, or an exemption lets one in.
func (r *NamespaceReconciler) wantsLook(p *pass, outcomes []outcome) bool {
	return !p.current() || p.audits() || len(p.kept) > 0 || hasPodFindings(p.previous) ||
		r.looks.due(p.namespace.Name, r.Clock.Now()) ||
		slices.ContainsFunc(outcomes, func(o outcome) bool { return o.Object.Kind == "Namespace" })
}

// lookAtPods holds the pods of the namespace against the declared level, and asks the API server whether it does so at all. Where the API
// server has just been told the level, it has said so already.
func (r *NamespaceReconciler) lookAtPods(ctx context.Context, p *pass) (*findings.PodFacts, error) {
	facts := &findings.PodFacts{Violations: map[string]string{}}
	if p.tightened && len(p.kept) == 0 && tightening.Clean(p.warned) {
		r.planLook(p)
		facts.Exempt = tightening.Exempt(p.warned)
		return facts, nil
	}
	level, _ := findings.LevelOf(p.profile)
	var err error
	facts.Unseen, err = r.eachPod(ctx, p.namespace.Name, func(pod *corev1.Pod) {
		if violation, violates := level.Violation(pod); violates {
			facts.Violations[pod.Name] = violation
		}
	})
	if err != nil {
		return nil, err
	}
	facts.Exempt, err = r.exempt(ctx, p.namespace)
	if err != nil {
		return nil, err
	}
	r.planLook(p)
	return facts, nil
}

// planLook plans the next look. One follows soon after a level was put in place: admission takes a moment to hear of it, and a pod
// may slip in meanwhile.
func (r *NamespaceReconciler) planLook(p *pass) {
	wait := lookInterval
	if p.tightened {
		wait = min(r.Recheck, lookInterval)
	}
	r.looks.plan(p.namespace.Name, r.Clock.Now().Add(wait))
}

// eachPod reads the pods of a namespace page by page, up to a bound, and says how many there are beyond it.
func (r *NamespaceReconciler) eachPod(ctx context.Context, namespace string, visit func(*corev1.Pod)) (unseen int64, err error) {
	var pods corev1.PodList
	seen := 0
	for {
		options := []client.ListOption{client.InNamespace(namespace), client.Limit(podsPage), client.Continue(pods.Continue)}
		pods = corev1.PodList{}
		if err := r.Live.List(ctx, &pods, options...); err != nil {
			return 0, fmt.Errorf("listing the pods of namespace %s: %w", namespace, err)
		}
		for i := range pods.Items {
			visit(&pods.Items[i])
		}
		seen += len(pods.Items)
		switch {
		case pods.Continue == "":
			return 0, nil
		case seen >= maxPods && pods.RemainingItemCount != nil:
			return *pods.RemainingItemCount, nil
		case seen >= maxPods:
			return 1, nil // There are more; how many is not told.
		}
	}
}

// exempt is what the API server says if it exempts the namespace from Pod Security. It says so only when a level changes, and so is
// asked, by a dry run, to change the version of the one that is enforced.
func (r *NamespaceReconciler) exempt(ctx context.Context, ns *corev1.Namespace) (string, error) {
	version := "latest"
	if ns.Labels[podsecurity.EnforceVersionLabel] == version {
		version = "v1.0"
	}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q,%q:%q}}}`,
		podsecurity.EnforceLevelLabel, podsecurity.LevelRestricted, podsecurity.EnforceVersionLabel, version)
	ctx, warnings := collectWarnings(ctx)
	if err := r.dryRun(ctx, ns, patch); err != nil {
		return "", fmt.Errorf("asking whether namespace %s is exempt from Pod Security: %w", ns.Name, err)
	}
	return tightening.Exempt(warnings.texts), nil
}

// dryRun asks the API server what it would say to a patch of a namespace.
func (r *NamespaceReconciler) dryRun(ctx context.Context, ns *corev1.Namespace, patch []byte) error {
	asked := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}}
	return r.Client.Patch(ctx, asked, client.RawPatch(types.MergePatchType, patch), client.DryRunAll, client.DisableReadYourWritesConsistency)
}

// looks remembers when the pods of each namespace are to be looked at next. A restart forgets it, and then looks at all, evenly
// spread over an interval.
type looks struct {
	began time.Time

	mu   sync.Mutex
	next map[string]time.Time
}

func newLooks(now time.Time) *looks {
	return &looks{began: now, next: map[string]time.Time{}}
}

// due reports whether it is time to look, also if the clock has been set back.
func (l *looks) due(namespace string, now time.Time) bool {
	wait := l.at(namespace).Sub(now)
	return wait <= 0 || wait > lookInterval
}

// until is how long there is until the next look, and at least a moment.
func (l *looks) until(namespace string, now time.Time) time.Duration {
	return min(max(time.Second, l.at(namespace).Sub(now)), lookInterval)
}

func (l *looks) at(namespace string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, planned := l.next[namespace]; planned {
		return at
	}
	spread := fnv.New64a()
	_, _ = spread.Write([]byte(namespace)) // It never fails.
	return l.began.Add(time.Duration(spread.Sum64() % uint64(lookInterval)))
}

// plan sets when to look next.
func (l *looks) plan(namespace string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next[namespace] = at
}

func (l *looks) forget(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.next, namespace)
}
