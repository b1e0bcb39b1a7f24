package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	// countPatience is how long a quota may be without a count before that is told:
	// kube-controller-manager usually takes milliseconds. It is also how long it may count nothing
	// before it is not waited for any more.
	countPatience = 3 * time.Second
	// longestPatience bounds that while kube-controller-manager counts other quotas: it counts some
	// twenty a second, and a roll-out makes thousands.
	longestPatience = 2 * time.Minute
)

// quotaCount is what is known of a quota that is as declared.
type quotaCount struct {
	ref v1alpha1.ObjectReference
	counting.Counting
	// written is set if this pass wrote it, so that nothing is known of its count yet.
	written bool
	// fresh is set as long as it is too early to tell that it is not counted.
	fresh bool
}

func (q *quotaCount) complete() bool { return !q.written && q.Complete() }

// counted is what Kubernetes has made of the quotas that are as declared after a pass. What still
// differs, and what waits, is not among them: the report says worse of it.
func (p *pass) counted(desired, found []baseline.Object, outcomes []drift.Outcome) []quotaCount {
	var counts []quotaCount
	for _, o := range desired {
		if _, ok := o.(*corev1.ResourceQuota); !ok {
			continue
		}
		ref := baseline.Reference(o)
		if _, waits := p.kept[ref]; waits {
			continue
		}
		if i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref }); i >= 0 {
			if outcomes[i].State == v1alpha1.Corrected {
				counts = append(counts, quotaCount{ref: ref, written: true})
			}
			continue
		}
		for _, f := range found {
			if quota, ok := f.(*corev1.ResourceQuota); ok && quota.Name == o.GetName() {
				counts = append(counts, quotaCount{ref: ref, Counting: counting.Of(quota)})
			}
		}
	}
	return counts
}

// awaitCounts says of which quotas it is too early to tell that they are not counted. It returns
// when to look again, though nothing was heard; zero is never. What Bulwark opened and did not
// close, since the operator died in between, it closes once that time is over.
func (r *NamespaceReconciler) awaitCounts(ctx context.Context, p *pass, counts []quotaCount) time.Duration {
	now := r.Clock.Now()
	r.counts.observe(p.namespace.Name, counts, now)
	var next time.Duration
	for i := range counts {
		q := &counts[i]
		if q.complete() {
			continue
		}
		wait := r.counts.patience(p.namespace.Name, q, now)
		if wait == 0 && len(q.Loosened) > 0 && !p.audits() && r.closeAgain(ctx, p, q) {
			wait = r.counts.restart(p.namespace.Name, q.ref.Name, now)
		}
		q.fresh = wait > 0
		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
	}
	return next
}

// withholds reports whether the report of a pass is better written a moment later: it would say
// nothing but that a quota, which was made just now, is not counted yet, and be written again when
// it is. Only one that corrects nothing is withheld again: what differs by then, somebody has
// changed, and whoever goes on would keep the report away for ever.
func (p *pass) withholds(counts []quotaCount, outcomes []drift.Outcome, again bool) bool {
	if again && len(outcomes) > 0 {
		return false
	}
	if slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return o.Recorded || o.State != v1alpha1.Corrected }) {
		return false
	}
	return slices.ContainsFunc(counts, func(q quotaCount) bool {
		state := p.reportedNow(q.ref)
		return !q.complete() && q.fresh && state != v1alpha1.ObjectCompliant && state != v1alpha1.ObjectUncounted
	})
}

// reportedNow is the state of an object in the last report, if that speaks of the profile as it is
// now.
func (p *pass) reportedNow(ref v1alpha1.ObjectReference) v1alpha1.ObjectState {
	if !p.current() {
		return ""
	}
	state, _ := p.reported(ref)
	return state
}

// setUncounted makes a report say which quotas do not hold anybody, since Kubernetes has not
// counted them. One that was in place and has just been corrected stays so until it is known
// better: the namespace would not be ready for a moment each time.
func (p *pass) setUncounted(report *v1alpha1.NamespacePosture, counts []quotaCount) {
	for _, q := range counts {
		if q.complete() || q.fresh && p.reportedNow(q.ref) == v1alpha1.ObjectCompliant {
			continue
		}
		i := slices.IndexFunc(report.Objects, func(o v1alpha1.ManagedObject) bool {
			return o.ObjectReference == q.ref && o.State == v1alpha1.ObjectCompliant
		})
		if i < 0 {
			continue
		}
		report.Objects[i].State = v1alpha1.ObjectUncounted
		report.Objects[i].Message = printable.Message(p.uncountedMessage(q))
		report.Summary.Compliant--
		report.Summary.Uncounted++
		report.Ready = false
	}
}

// uncountedMessage is what there is to say of a quota that is not counted. Of one that was written
// just now it is what was said last: the next pass knows.
func (p *pass) uncountedMessage(q quotaCount) string {
	if !q.written {
		return q.Sentence()
	}
	if p.previous != nil {
		for _, o := range p.previous.Objects {
			if o.ObjectReference == q.ref && o.State == v1alpha1.ObjectUncounted {
				return o.Message
			}
		}
	}
	return "Kubernetes has not counted it yet"
}

// countWatch remembers since when each quota is known not to be counted, and what a pass found
// whose report was withheld. It is kept in memory: a restart forgets it, and waits once more.
type countWatch struct {
	mu          sync.Mutex
	since       map[string]map[string]time.Time // by namespace and quota
	lastCounted time.Time                       // when a quota was last seen to be counted
	withheld    map[string]withheld             // by namespace
}

// withheld is what a pass learned whose report was withheld: what the API server warned of, if it
// put a stricter Pod Security level in place.
type withheld struct {
	profile    types.UID
	generation int64
	namespace  types.UID

	tightened bool
	warned    []string
}

// of reports whether it was a pass over the same namespace for the same profile as it is now.
func (w *withheld) of(p *pass) bool {
	return w.profile == p.profile.UID && w.generation == p.profile.Generation && w.namespace == p.namespace.UID
}

func newCountWatch() *countWatch {
	return &countWatch{since: map[string]map[string]time.Time{}, withheld: map[string]withheld{}}
}

// observe notes which quotas of a namespace are counted by now and which are not. There are no
// others.
func (w *countWatch) observe(namespace string, counts []quotaCount, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.since[namespace]
	since := map[string]time.Time{}
	for _, q := range counts {
		was, waited := before[q.ref.Name]
		switch {
		case q.complete() && waited:
			w.lastCounted = now
		case q.complete():
		case !waited || q.written || was.After(now): // The clock has been set back.
			since[q.ref.Name] = now
		default:
			since[q.ref.Name] = was
		}
	}
	if len(since) == 0 {
		delete(w.since, namespace)
		return
	}
	w.since[namespace] = since
}

// patience is how long a quota that is not counted is still waited for. While
// kube-controller-manager counts others, it may only not have come to one of which it has counted
// nothing; then each look is as far from the last one as that was from the first.
func (w *countWatch) patience(namespace string, q *quotaCount, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	waited := now.Sub(w.since[namespace][q.ref.Name])
	if left := countPatience - waited; left > 0 {
		return left
	}
	if counts := now.Sub(w.lastCounted); len(q.Never) > 0 || counts < 0 || counts >= countPatience {
		return 0
	}
	return max(0, min(waited, longestPatience-waited))
}

// restart waits for a quota from now on.
func (w *countWatch) restart(namespace, quota string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since[namespace][quota] = now
	return countPatience
}

// withholdsAgain reports whether the report of an earlier pass has been withheld since the last one
// was written.
func (w *countWatch) withholdsAgain(p *pass) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.withheld[p.namespace.Name]
	return ok && kept.of(p)
}

// withhold keeps what the pass learned of a stricter Pod Security level for the pass that will
// report.
func (w *countWatch) withhold(p *pass) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.withheld[p.namespace.Name]
	if ok && kept.of(p) && !p.tightened {
		return
	}
	w.withheld[p.namespace.Name] = withheld{
		profile: p.profile.UID, generation: p.profile.Generation, namespace: p.namespace.UID,
		tightened: p.tightened, warned: p.warned,
	}
}

// resume gives a pass that reports what the one learned of which the report was withheld.
func (w *countWatch) resume(p *pass) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.withheld[p.namespace.Name]
	delete(w.withheld, p.namespace.Name)
	if ok && kept.of(p) && kept.tightened && !p.tightened {
		p.tightened, p.warned = true, kept.warned
	}
}

// forget drops what is remembered of a namespace that is gone, or that nobody governs.
func (w *countWatch) forget(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.since, namespace)
	delete(w.withheld, namespace)
}

// exceeded are the quotas of which more is used than they grant, with the words that say of what.
// Of one that is not counted just now it is what the last report says.
func (p *pass) exceeded(counts []quotaCount) map[string]string {
	exceeded := map[string]string{}
	for _, q := range counts {
		switch {
		case q.written || len(q.Waiting) > 0:
			if message := p.reportedExceeded(q.ref); message != "" {
				exceeded[q.ref.Name] = message
			}
		case len(q.Exceeded) > 0:
			exceeded[q.ref.Name] = q.ExceededSentence()
		}
	}
	return exceeded
}

func (p *pass) reportedExceeded(ref v1alpha1.ObjectReference) string {
	if p.previous == nil {
		return ""
	}
	for _, f := range p.previous.Findings {
		if f.ID == v1alpha1.QuotaExceeded && f.Object == ref {
			return f.Message
		}
	}
	return ""
}

// uncountedNamespaces are those in which a quota is not counted, and what their reports say of it.
type uncountedNamespaces struct {
	names []string
	says  map[string]bool
	never bool // some of it never will be, before somebody changes the profile
}

// maxSaid bounds what a condition quotes of the reports. They say the same wherever the profile and
// the cause are.
const maxSaid = 3

// add notes what a report says. One of another generation says nothing of this one.
func (u *uncountedNamespaces) add(report *v1alpha1.NamespacePosture, current bool) {
	for _, o := range report.Objects {
		if o.State != v1alpha1.ObjectUncounted || !current {
			continue
		}
		u.never = u.never || strings.HasPrefix(o.Message, counting.NotCounted)
		if u.says == nil {
			u.says = map[string]bool{}
		}
		u.says[o.Name+": "+o.Message] = true
	}
}

// sentence says what is not counted.
func (u *uncountedNamespaces) sentence() string {
	said := slices.Sorted(maps.Keys(u.says))
	more := ""
	if len(said) > maxSaid {
		more = fmt.Sprintf("; and %d more", len(said)-maxSaid)
		said = said[:maxSaid]
	}
	return "quotas hold nobody (" + strings.Join(said, "; ") + more + ")"
}
