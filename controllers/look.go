package controllers

import (
	"context"
	"errors"
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
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

const (
	// maxPods is how many pods are read at most of one namespace.
	maxPods = 5000

	// lookTimeout bounds a look, so that the rest of the pass has time left.
	lookTimeout = 10 * time.Second
	// lookInterval is how often the pods of a namespace are looked at though nothing suggests that any violates its level: some may
	// have been admitted by an exemption of a user or of a runtime class.
	lookInterval = time.Hour
)

// weaknesses are the findings in the namespace, after the pass has done what it has, and when to come back since they hang on what is
// not watched; zero is never. If pods could not be looked at, those on pods are what they were.
func (r *NamespaceReconciler) weaknesses(
	ctx context.Context, p *posture.Pass, found *posture.Found, level tightening.AppliedLevel, pods *podScan,
) (w posture.Weaknesses, recheck time.Duration, err error) {
	if r.facts == nil || p.Profile.Spec.Findings != nil && p.Profile.Spec.Findings.Mode == v1alpha1.NoFindings {
		return w, 0, nil
	}
	facts := r.facts.Facts(p.Namespace.Name)
	for _, o := range found.Desired {
		if !p.Audits() && !conflicts(baseline.Reference(o), found.Outcomes) {
			facts.Forget(o) // It was unlabelled for a moment, and so unmanaged.
		}
	}
	facts.Exceeded = posture.Exceeded(p.Memory, found.Counts)
	facts.Bound = boundRoles(found.Desired, found.Outcomes, r.clusterRoles.Verdict)
	facts.Large = append(facts.Large, largeOf(found.Outcomes)...)
	facts.Uncached = r.uncached.Counts(p.Namespace.Name)
	facts.LabelSync = findings.LabelSyncOf(p.Namespace.Labels, movers(p, found.Outcomes))
	services := findings.ServicesToAsk(p.Profile, p.Namespace.Name, facts)
	if len(services) > 0 {
		recheck = r.Recheck
	}
	var unasked error
	facts.Services, unasked = watch.ReadServices(ctx, r.Live, p.Namespace.Name, services)
	looked, err := r.look(ctx, p, found, level, pods, facts)
	w.Found = findings.Judge(p.Profile, p.Namespace.Name, facts)
	w.Totals = findings.Total(w.Found)
	w.PodsUnseen = err != nil
	if last := p.Report(); !looked && last != nil {
		w = w.Carry(p.Memory, p.Profile)
		w.PodsUnseen = w.PodsUnseen || r.looksAtPods(p) && last.PodsUnseen
	}
	return w, recheck, errors.Join(unasked, err)
}

// movers are the field managers that are known to have changed the namespace's labels.
func movers(p *posture.Pass, outcomes []drift.Outcome) []string {
	var managers []string
	for _, o := range outcomes {
		if o.Object.Kind == "Namespace" {
			managers = append(managers, o.By.Manager)
		}
	}
	for _, entry := range p.History() {
		if entry.Object.Kind == "Namespace" {
			managers = append(managers, entry.Manager)
		}
	}
	return managers
}

// look looks at pods if it is time to, and reports whether what the facts say of them holds.
func (r *NamespaceReconciler) look(
	ctx context.Context, p *posture.Pass, found *posture.Found, level tightening.AppliedLevel, scan *podScan, facts *findings.Facts,
) (looked bool, err error) {
	if !r.looksAtPods(p) || !r.wantsLook(p, found.Outcomes, level) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	pods, err := r.lookAtPods(ctx, p, found.Deferred, level, scan)
	if err != nil {
		r.planLook(p, found.Deferred, level, true) // Soon and not at once: whoever makes it fail must not have it repeated without end.
		return false, err
	}
	facts.Pods = *pods
	r.planLook(p, found.Deferred, level, len(pods.Violations)+len(pods.Rules) > 0 || pods.Exempt != "")
	return true, nil
}

func conflicts(ref v1alpha1.ObjectReference, outcomes []drift.Outcome) bool {
	return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref && o.State == v1alpha1.Conflict })
}

// looksAtPods reports whether the profile declares a level or rules that pods could violate, and wants to know of those that do.
func (r *NamespaceReconciler) looksAtPods(p *posture.Pass) bool {
	return r.facts != nil && slices.ContainsFunc(findings.OfPods, func(id v1alpha1.FindingID) bool {
		return findings.LooksForInPods(p.Profile, id)
	})
}

// wantsLook reports whether it is time to look at pods. A level that is enforced lets no violator in; so once none was there, there
// is none until the level changes, somebody takes it away for a moment, or an exemption lets one in. Who begins to lead does not know when
// to look next, and looks at once where there were violators, or nobody could look.
func (r *NamespaceReconciler) wantsLook(p *posture.Pass, outcomes []drift.Outcome, level tightening.AppliedLevel) bool {
	now := r.Clock.Now()
	return !p.Current() || r.looks.due(p.Namespace.Name, now) ||
		p.DoubtsPods() && !r.looks.planned(p.Namespace.Name) ||
		slices.ContainsFunc(outcomes, func(o drift.Outcome) bool {
			// A level that is contested is put back every second: that is looked at where the API server warns of pods.
			return o.Object.Kind == "Namespace" && (o.State == v1alpha1.Corrected || o.Done && len(level.Warnings) > 0)
		})
}

// lookAtPods holds the pods of the namespace against the declared level and rules, and asks the API server whether it enforces a level there at
// all. Where the API server has just been told the level, it has said so already.
func (r *NamespaceReconciler) lookAtPods(
	ctx context.Context, p *posture.Pass, deferred *posture.Deferrals, level tightening.AppliedLevel, pods *podScan,
) (*findings.PodFacts, error) {
	facts := &findings.PodFacts{Violations: map[string]string{}}
	_, leveled := findings.LevelOf(p.Profile)
	told := level.Tightened && !deferred.Any() && tightening.Clean(level.Warnings)
	if !told || findings.LooksForInPods(p.Profile, v1alpha1.WorkloadRuleViolated) {
		seen, err := r.seePods(ctx, p, pods, nil)
		if err != nil {
			return nil, err
		}
		facts.Violations, facts.Rules, facts.Unseen = seen.violations, seen.ruleViolations(p.Profile), seen.unseen
	}
	if told {
		facts.Exempt = tightening.Exempt(level.Warnings)
		return facts, nil
	}
	if !leveled {
		return facts, nil
	}
	var err error
	facts.Exempt, err = r.exempt(ctx, p.Namespace)
	return facts, err
}

// planLook plans the next look: soon while something is amiss, or a level was put in place, since admission takes a moment to hear of
// it and a pod may slip in meanwhile; and otherwise after an interval, at another time in each namespace.
func (r *NamespaceReconciler) planLook(p *posture.Pass, deferred *posture.Deferrals, level tightening.AppliedLevel, amiss bool) {
	wait := lookInterval/2 + r.looks.spread(p.Namespace.Name, lookInterval/2)
	switch {
	case deferred.Any():
		wait = r.Recheck / blockedRechecks
	case level.Tightened:
		wait = r.Recheck + r.looks.spread(p.Namespace.Name, r.Recheck)
	case p.Audits() || amiss:
		wait = r.Recheck
	}
	r.looks.plan(p.Namespace.Name, r.Clock.Now().Add(min(wait, lookInterval)))
}

// eachPod reads the pods of a namespace page by page, up to a bound, and says how many there are beyond it.
func (r *NamespaceReconciler) eachPod(ctx context.Context, namespace string, visit func(*corev1.Pod)) (unseen int64, err error) {
	newList := func() *corev1.PodList { return &corev1.PodList{} }
	unseen, err = clusteraccess.EachPage(ctx, r.Live, maxPods, newList, func(pods *corev1.PodList) {
		for i := range pods.Items {
			visit(&pods.Items[i])
		}
	}, client.InNamespace(namespace))
	if err != nil {
		return 0, fmt.Errorf("listing the pods of namespace %s: %w", namespace, err)
	}
	return unseen, nil
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
	ctx, warnings := clusteraccess.CollectWarnings(ctx)
	if err := r.dryRun(ctx, ns, patch); err != nil {
		return "", fmt.Errorf("asking whether namespace %s is exempt from Pod Security: %w", ns.Name, err)
	}
	return tightening.Exempt(warnings.Texts()), nil
}

// dryRun asks the API server what it would say to a patch of a namespace.
func (r *NamespaceReconciler) dryRun(ctx context.Context, ns *corev1.Namespace, patch []byte) error {
	asked := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}}
	return r.Client.Patch(ctx, asked, client.RawPatch(types.MergePatchType, patch), client.DryRunAll, client.DisableReadYourWritesConsistency)
}

// looks remembers when the pods of each namespace are to be looked at next. Who begins to lead knows nothing of that, and then looks at
// all, evenly spread over an interval.
type looks struct {
	mu    sync.Mutex
	began time.Time // when it was first asked; a replica that does not lead asks nothing
	last  time.Time // when it was asked last
	next  map[string]time.Time
	clean map[string]map[string]time.Time // by namespace and by what waits, since when nothing is in its way
}

func newLooks() *looks {
	return &looks{next: map[string]time.Time{}, clean: map[string]map[string]time.Time{}}
}

// cleanFor reports whether nothing has been in the way of what waits for so long, by this look and by one before.
func (l *looks) cleanFor(namespace, what string, least time.Duration, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, known := l.clean[namespace][what]
	if !known || since.After(now) { // The clock may have been set back.
		if l.clean[namespace] == nil {
			l.clean[namespace] = map[string]time.Time{}
		}
		l.clean[namespace][what] = now
		return false
	}
	return now.Sub(since) >= least
}

// dirty says that something is in the way of what waits, or that it waits no more.
func (l *looks) dirty(namespace, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delete(l.clean[namespace], what); len(l.clean[namespace]) == 0 {
		delete(l.clean, namespace)
	}
}

// due reports whether it is time to look.
func (l *looks) due(namespace string, now time.Time) bool {
	return !l.at(namespace, now).After(now)
}

// until is how long there is until the next look, and at least a moment.
func (l *looks) until(namespace string, now time.Time) time.Duration {
	return min(max(time.Second, l.at(namespace, now).Sub(now)), lookInterval)
}

// planned reports whether it is known when to look next.
func (l *looks) planned(namespace string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, planned := l.next[namespace]
	return planned
}

func (l *looks) at(namespace string, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow(now)
	if at, planned := l.next[namespace]; planned {
		return at
	}
	return l.began.Add(time.Second + l.spread(namespace, lookInterval-time.Second))
}

// follow takes along all plans when the clock is set back, so that nobody waits until it has caught up.
func (l *looks) follow(now time.Time) {
	if l.began.IsZero() {
		l.began = now
	}
	if back := l.last.Sub(now); back > time.Second { // Workers ask in whatever order, moments apart.
		l.began = l.began.Add(-back)
		for namespace := range l.next {
			l.next[namespace] = l.next[namespace].Add(-back)
		}
	}
	l.last = now
}

// spread is a part of an interval that is always the same for a namespace, and another for most others.
func (*looks) spread(namespace string, interval time.Duration) time.Duration {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(namespace)) // It never fails.
	const parts = 1 << 20
	return interval / parts * time.Duration(sum.Sum32()%parts)
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
	delete(l.clean, namespace)
}
