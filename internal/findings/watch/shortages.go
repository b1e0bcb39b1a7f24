package watch

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/findings"
)

// watchShortages adds the watches of workloads that lack pods, and of the events that tell why.
// ReplicaSets and ReplicationControllers say why in their status. For the others only events do,
// and an event stays for an hour after its cause has gone.
func (u *Unmanaged) watchShortages(w *watcher) {
	u.shortages = []*factStore[findings.Shortage]{
		watchFacts(w, &appsv1.ReplicaSetList{}, findings.ReplicaSetShortage),
		watchFacts(w, &corev1.ReplicationControllerList{}, findings.ReplicationControllerShortage),
		watchFacts(w, &appsv1.StatefulSetList{}, findings.StatefulSetShortage),
		watchFacts(w, &appsv1.DaemonSetList{}, findings.DaemonSetShortage),
		watchFacts(w, &batchv1.JobList{}, findings.JobShortage),
	}
	for _, store := range u.shortages {
		store.concerns = func(namespace, _ string, was, is *findings.Shortage) []string {
			return u.ifRefused(namespace, was, is)
		}
	}
	failed := *w
	failed.only = client.MatchingFields{"reason": findings.FailedCreate}
	u.attempts = watchFacts(&failed, &corev1.EventList{}, findings.AttemptOf)
	u.attempts.concerns = u.ifNews
}

// ifNews is the namespace if a changed event makes another refusal the last one of a workload. If a
// controller tries again, the same words come in another event, or in the same one at a later time:
// that is no news.
func (u *Unmanaged) ifNews(namespace, event string, was, is *findings.Attempt) []string {
	last := func(state *findings.Attempt, workload string) findings.Refusal {
		attempts := map[string]findings.Attempt{}
		u.attempts.each(namespace, func(name string, a findings.Attempt) {
			if a.Workload == workload && name != event {
				attempts[name] = a
			}
		})
		if state != nil && state.Workload == workload {
			attempts[event] = *state
		}
		return findings.LatestAttempts(attempts)[workload].Refusal
	}
	for _, state := range []*findings.Attempt{was, is} {
		if state != nil && last(was, state.Workload) != last(is, state.Workload) {
			return []string{namespace}
		}
	}
	return nil
}

// ifRefused is the namespace if a part of a baseline refuses pods of the workload, or did. Each
// workload lacks pods for a moment when it changes: that concerns no namespace.
func (u *Unmanaged) ifRefused(namespace string, states ...*findings.Shortage) []string {
	for _, s := range states {
		if s != nil && (s.Refusal != findings.Refusal{} || u.refuses(namespace, s.Workload)) {
			return []string{namespace}
		}
	}
	return nil
}

// refuses reports whether an event tells that a part of a baseline refused pods of a workload.
func (u *Unmanaged) refuses(namespace, workload string) bool {
	refused := false
	u.attempts.each(namespace, func(_ string, a findings.Attempt) {
		refused = refused || a.Workload == workload && a.Refusal != findings.Refusal{}
	})
	return refused
}

// shortagesOf maps the workloads of a namespace that lack pods, by Kind/name.
func (u *Unmanaged) shortagesOf(namespace string) map[string]findings.Shortage {
	all := map[string]findings.Shortage{}
	for _, store := range u.shortages {
		store.each(namespace, func(_ string, s findings.Shortage) { all[s.Workload] = s })
	}
	return all
}
