package controllers

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// noNamespace is a cluster without namespaces.
type noNamespace struct{ client.Client }

func (noNamespace) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(corev1.Resource("namespaces"), key.Name)
}

func TestANamespaceThatIsGoneIsForgotten(t *testing.T) {
	r := &NamespaceReconciler{Client: noNamespace{}, contests: newContests(DefaultContest), arrivals: priority.NewArrivals(nil), looks: newLooks(),
		counts: newCountWatch(), damping: newDamping(), mutations: newMutations(DefaultContest), restored: newMutations(DefaultContest), unreported: newUnreported(), departures: newDepartures(DefaultRemovalDelay), crowds: clusteraccess.NewCrowds()}
	for _, namespace := range []string{"shop", "till"} {
		r.contests.corrected(namespace, deleted(reference("Role", "bulwark-dev")), "", noon)
		r.contests.corrected(namespace, deleted(reference("Role", "bulwark-ops")), "", noon)
		r.mutations.note(mutated{namespace, reference("Role", "bulwark-dev")}, nil, noon)
		r.looks.plan(namespace, noon)
		r.arrivals.Note(namespace, noon)
		r.counts.observe(namespace, []quotaCount{{ref: reference("ResourceQuota", "bulwark-small"), written: true}}, noon)
		r.departures.wait(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, noon)
	}
	if _, err := r.reconcileNamed(t.Context(), requestFor("shop")); err != nil {
		t.Fatal(err)
	}
	wantContests := remembered("till", reference("Role", "bulwark-dev"), noon)
	maps.Copy(wantContests, remembered("till", reference("Role", "bulwark-ops"), noon))
	if diff := cmp.Diff(wantContests, r.contests.corrections, cmp.AllowUnexported(contested{})); diff != "" {
		t.Errorf("corrections that are remembered (-want +got):\n%s", diff)
	}
	if _, remembered := r.mutations.of[mutated{"till", reference("Role", "bulwark-dev")}]; !remembered || len(r.mutations.of) != 1 {
		t.Errorf("what admission changes is remembered of %v", r.mutations.of)
	}
	later := noon.Add(time.Hour)
	for namespace, want := range map[string]time.Time{"shop": later, "till": noon} {
		if got := r.arrivals.Take(namespace, later); !got.Equal(want) {
			t.Errorf("the change of %s arrived at %s, want %s", namespace, got, want)
		}
	}
	if diff := cmp.Diff(map[string]map[string]time.Time{"till": {"bulwark-small": noon}}, r.counts.since); diff != "" {
		t.Errorf("quotas that are remembered not to be counted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]time.Time{"till": noon}, r.looks.next); diff != "" {
		t.Errorf("looks that are remembered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]departure{"till": {at: noon}}, r.departures.since, cmp.AllowUnexported(departure{})); diff != "" {
		t.Errorf("departures that are remembered (-want +got):\n%s", diff)
	}
}

// TestObjectsThatNeverComeBackAreForgotten is about a tenant who makes ever new objects that bear our label.
func TestObjectsThatNeverComeBackAreForgotten(t *testing.T) {
	c := newContests(DefaultContest)
	for i := range 1000 {
		c.corrected("shop", deleted(reference("Role", fmt.Sprint("forged-", i))), "", noon.Add(time.Duration(i)*time.Minute))
	}
	if n, most := len(c.corrections)/2, 2*int(c.Window/time.Minute)+1; n > most {
		t.Errorf("one correction a minute: want at most those of two windows, %d, remembered, got %d", most, n)
	}
}
