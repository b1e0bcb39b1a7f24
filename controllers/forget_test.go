package controllers

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/uncached"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/rollout"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// noNamespace is a cluster without namespaces.
type noNamespace struct{ client.Client }

func (noNamespace) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(corev1.Resource("namespaces"), key.Name)
}

// passIn is a pass over a namespace.
func passIn(namespace string) *posture.Pass {
	return &posture.Pass{
		Profile: posturetest.Profile(), Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
	}
}

func TestANamespaceThatIsGoneIsForgotten(t *testing.T) {
	const scanned = time.Minute // after something was amiss
	contest := contention.DefaultSettings()
	r := &NamespaceReconciler{
		Client: noNamespace{}, contests: contention.New(contest), arrivals: priority.NewArrivals(nil),
		scans: podscan.NewSchedule(scanned), gate: rollout.NewGate(nil, nil),
		patience: counting.NewPatience(), withheld: reportmemory.NewWithheld(),
		deferredRemovals: contention.NewDeferredRemovals(), unreported: newUnreported(),
		departures: release.NewDepartures(release.DefaultRemovalDelay),
		uncached:   uncached.NewReader(nil, &boundedcache.Informers{}),
	}
	r.corrections = r.newCorrections(Options{Contest: contest})
	for _, namespace := range []string{"shop", "till"} {
		for range contention.DefaultSettings().Threshold {
			r.contests.Removed(namespace, reference("Role", "copied"), noon)
		}
		r.corrections.Mutations.Note(namespace, reference("Role", "bulwark-dev"), nil, noon)
		r.corrections.PutBack.Note(namespace, reference("Role", "bulwark-dev"), nil, noon)
		pass := passIn(namespace)
		r.scans.Plan(pass, nil, tightening.AppliedLevel{}, true, noon)
		r.withheld.Add(pass, tightening.AppliedLevel{})
		r.arrivals.Note(namespace, noon)
		r.patience.Observe(namespace, []counting.Progress{{Quota: "bulwark-small", Written: true}}, noon)
		r.departures.Wait(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, noon)
	}
	if _, err := r.reconcileNamed(t.Context(), requestFor("shop")); err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]bool{"shop": false, "till": true} {
		contested := r.contests.IsRemovalContested(namespace, reference("Role", "copied"), noon)
		_, mutated := r.corrections.Mutations.Wait(namespace, reference("Role", "bulwark-dev"), nil, noon)
		_, restored := r.corrections.PutBack.Wait(namespace, reference("Role", "bulwark-dev"), nil, noon)
		for what, got := range map[string]bool{
			"a contest": contested, "what admission changes": mutated, "what was put back": restored,
		} {
			if got != want {
				t.Errorf("%s in %s: remembered %t, want %t", what, namespace, got, want)
			}
		}
	}
	later := noon.Add(time.Hour)
	for namespace, want := range map[string]time.Time{"shop": later, "till": noon} {
		if got := r.arrivals.Take(namespace, later); !got.Equal(want) {
			t.Errorf("the change of %s arrived at %s, want %s", namespace, got, want)
		}
	}
	for namespace, want := range map[string]bool{"shop": false, "till": true} {
		if got := r.patience.Left(namespace, counting.Progress{Quota: "bulwark-small"}, noon) > 0; got != want {
			t.Errorf("a quota of %s that is not counted: remembered %t, want %t", namespace, got, want)
		}
		if got := r.scans.Until(namespace, noon) == scanned; got != want {
			t.Errorf("the next scan of %s: remembered %t, want %t", namespace, got, want)
		}
		if got := r.withheld.Has(passIn(namespace)); got != want {
			t.Errorf("the withheld report of %s: remembered %t, want %t", namespace, got, want)
		}
	}
	for namespace, want := range map[string]time.Duration{"shop": release.DefaultRemovalDelay, "till": 0} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		if got := r.departures.Wait(ns, noon.Add(release.DefaultRemovalDelay)); got != want {
			t.Errorf("a departure from %s: the second look is due after %s, want %s", namespace, got, want)
		}
	}
}
