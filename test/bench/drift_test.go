package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

func TestATamperingIsSeenFromItsFirstEffectToItsCorrection(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	o := &observer{awaited: map[string]*sighting{}}
	a, err := o.await("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.await("a"); err == nil {
		t.Error("two corrections are awaited in one namespace")
	}
	b, err := o.await("b")
	if err != nil {
		t.Fatal(err)
	}
	o.see("a", true, at(1)) // A change before the tampering.
	o.see("a", false, at(2))
	o.see("other", false, at(3))
	o.see("b", false, at(4))
	o.see("a", false, at(5)) // It is as loose as it was.
	o.see("a", true, at(7))
	o.see("a", true, at(8)) // Nobody waits any more.
	got := tampering{loose: a.loose, corrected: <-a.corrected}
	if got.exposed() != 5*time.Millisecond {
		t.Errorf("got %s", got.exposed())
	}
	select {
	case <-b.corrected:
		t.Error("the correction of one namespace is taken for that of another")
	default:
	}
}

func TestTamperingsCountThatWereBegunBeforeTheRollOutsLastWrite(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	writes := []controlplane.Write{
		{Resource: "namespaces", Name: "new-0", At: at(50)},
		{Resource: "networkpolicies", Namespace: "new-0", At: at(100)},
		{Resource: "events", Namespace: "new-0", At: at(900)},
		{Resource: "networkpolicies", Namespace: "old-0", At: at(950)}, // A correction.
	}
	tamperings := []tampering{
		{asked: at(10), loose: at(11), corrected: at(21)},
		{asked: at(99), loose: at(150), corrected: at(400)}, // It ends thereafter: a stall is not cut off.
		{asked: at(101), loose: at(102), corrected: at(103)},
	}
	b := &bench{}
	if err := b.judgeRollout(tamperings, within([]string{"new-0"}, writes)); err != nil {
		t.Fatal(err)
	}
	if got := b.results.Figures[0]; got.Value != 250 ||
		!strings.HasPrefix(got.Note, "2 corrections, one begun every 100ms, 1 after") {
		t.Errorf("got %+v", got)
	}
	if err := b.judgeRollout(tamperings[2:], within([]string{"new-0"}, writes)); err == nil {
		t.Error("idle corrections are taken for those of a roll-out")
	}
}

func TestNoNamespaceIsTamperedWithMoreThanTwice(t *testing.T) {
	s := &standing{batch: &batch{namespaces: []string{"a", "b"}}}
	var got []string
	for namespace, ok := s.target(); ok; namespace, ok = s.target() {
		got = append(got, namespace)
	}
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, got); diff != "" {
		t.Error(diff)
	}
	if s.left() != 0 {
		t.Errorf("%d are left", s.left())
	}
}

// observing is an observer of an API server that tells what is tampered with, and of corrections
// that others make.
func observing(tampered func(o *observer, namespace string) error) *observer {
	clients := fake.NewClientset()
	o := &observer{clients: clients, ended: make(chan struct{}), awaited: map[string]*sighting{}}
	clients.PrependReactor("patch", "networkpolicies", func(a clienttesting.Action) (bool, runtime.Object, error) {
		o.see(a.GetNamespace(), false, time.Now())
		return true, &networkingv1.NetworkPolicy{}, tampered(o, a.GetNamespace())
	})
	return o
}

func TestAStallKeepsNoTamperingBack(t *testing.T) {
	s := &standing{batch: &batch{namespaces: []string{"a", "b", "c", "d"}}}
	done := make(chan struct{})
	var loose []string
	o := observing(func(o *observer, namespace string) error {
		if loose = append(loose, namespace); len(loose) == 3 { // Only now are all of them corrected.
			for _, namespace := range loose {
				o.see(namespace, true, time.Now())
			}
			close(done)
		}
		return nil
	})
	got, err := tamperUntil(t.Context(), o, s, func(context.Context) error { <-done; return nil })
	if err != nil {
		t.Fatal(err)
	}
	var longest time.Duration
	for _, tampering := range got {
		longest = max(longest, tampering.exposed())
	}
	if len(got) != 3 || longest < stormEvery {
		t.Errorf("got %d tamperings, the longest %s", len(got), longest)
	}
}

func TestTamperingEndsWithWhatItIsDoneDuring(t *testing.T) {
	broken := errors.New("broken")
	s := &standing{batch: &batch{namespaces: []string{"a", "b"}}}
	never := observing(func(*observer, string) error { return nil })
	_, err := tamperUntil(t.Context(), never, s, func(context.Context) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	refused := observing(func(*observer, string) error { return broken })
	_, err = tamperUntil(t.Context(), refused, s, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
