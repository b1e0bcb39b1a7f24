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

// scanned is after how long pods are scanned next where something was amiss.
const scanned = time.Minute

// passIn is a pass over a namespace.
func passIn(namespace string) *posture.Pass {
	return &posture.Pass{
		Profile: posturetest.Profile(), Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
	}
}

func TestANamespaceThatIsGoneIsForgotten(t *testing.T) {
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
			r.contests.Removed(namespace, roleNamed("copied"), noon)
		}
		r.corrections.Mutations.Note(namespace, roleNamed("bulwark-dev"), nil, noon)
		r.corrections.PutBack.Note(namespace, roleNamed("bulwark-dev"), nil, noon)
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
		for what, got := range remembered(r, namespace) {
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
	for namespace, want := range map[string]time.Duration{"shop": release.DefaultRemovalDelay, "till": 0} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		if got := r.departures.Wait(ns, noon.Add(release.DefaultRemovalDelay)); got != want {
			t.Errorf("a departure from %s: the second look is due after %s, want %s", namespace, got, want)
		}
	}
}

// remembered is what a reconciler remembers of a namespace that can be asked for without a change.
func remembered(r *NamespaceReconciler, namespace string) map[string]bool {
	_, mutated := r.corrections.Mutations.Wait(namespace, roleNamed("bulwark-dev"), nil, noon)
	_, restored := r.corrections.PutBack.Wait(namespace, roleNamed("bulwark-dev"), nil, noon)
	return map[string]bool{
		"a contest":                    r.contests.IsRemovalContested(namespace, roleNamed("copied"), noon),
		"what admission changes":       mutated,
		"what was put back":            restored,
		"a quota that is not counted":  r.patience.Left(namespace, counting.Progress{Quota: "bulwark-small"}, noon) > 0,
		"the next scan":                r.scans.Until(namespace, noon) == scanned,
		"the report that was withheld": r.withheld.Has(passIn(namespace)),
	}
}
