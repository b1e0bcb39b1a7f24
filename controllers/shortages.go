package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/findings"
)

// watchShortages adds the watches of workloads that lack pods, and of the events that tell why. ReplicaSets and
// ReplicationControllers say so themselves; of the others only events do, which outlive what they tell of by an hour.
func (f *foreign) watchShortages(w *foreignWatcher) {
	f.shortages = []*factStore[findings.Shortage]{
		watchFacts(w, &appsv1.ReplicaSetList{}, findings.ReplicaSetShortage),
		watchFacts(w, &corev1.ReplicationControllerList{}, findings.ReplicationControllerShortage),
		watchFacts(w, &appsv1.StatefulSetList{}, findings.StatefulSetShortage),
		watchFacts(w, &appsv1.DaemonSetList{}, findings.DaemonSetShortage),
		watchFacts(w, &batchv1.JobList{}, findings.JobShortage),
	}
	for _, store := range f.shortages {
		store.concerns = func(namespace, _ string, was, is *findings.Shortage) []string {
			return f.ifRefused(namespace, was, is)
		}
	}
	failed := *w
	failed.only = client.MatchingFields{"reason": findings.FailedCreate}
	f.attempts = watchFacts(&failed, &corev1.EventList{}, findings.AttemptOf)
	f.attempts.concerns = f.ifNews
}

// ifNews is the namespace if another refusal is the last one of a workload than before. Whoever tries again is refused with the same
// words in another event, or in the same at a later time.
func (f *foreign) ifNews(namespace, event string, was, is *findings.Attempt) []string {
	last := func(state *findings.Attempt, workload string) findings.Refusal {
		attempts := map[string]findings.Attempt{}
		f.attempts.each(namespace, func(name string, a findings.Attempt) {
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

// ifRefused is the namespace if a part of a baseline refuses pods of the workload, or did. Every workload lacks pods for a moment
// whenever it is changed, and that concerns nobody.
func (f *foreign) ifRefused(namespace string, states ...*findings.Shortage) []string {
	for _, s := range states {
		if s != nil && (s.Refusal != findings.Refusal{} || f.refuses(namespace, s.Workload)) {
			return []string{namespace}
		}
	}
	return nil
}

// refuses reports whether an event tells that a part of a baseline refused pods of a workload.
func (f *foreign) refuses(namespace, workload string) bool {
	refused := false
	f.attempts.each(namespace, func(_ string, a findings.Attempt) {
		refused = refused || a.Workload == workload && a.Refusal != findings.Refusal{}
	})
	return refused
}

// shortagesOf are the workloads of a namespace that lack pods, by Kind/name.
func (f *foreign) shortagesOf(namespace string) map[string]findings.Shortage {
	all := map[string]findings.Shortage{}
	for _, store := range f.shortages {
		store.each(namespace, func(_ string, s findings.Shortage) { all[s.Workload] = s })
	}
	return all
}
