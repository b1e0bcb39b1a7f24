package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

var (
	applications = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	profiles     = v1alpha1.GroupVersion.WithResource("securityprofiles")
)

// moment is when something became so, and why.
type moment struct {
	at         time.Time
	state, why string
}

// line is what is watched: the sync or the health of an Application, or what the health check must
// say of a profile.
type line struct{ of, name string }

// watcher keeps every change of these.
type watcher struct {
	client  dynamic.Interface
	mu      sync.Mutex
	moments map[line][]moment
}

func newWatcher(cfg *rest.Config) (*watcher, error) {
	clients, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	return &watcher{client: clients, moments: map[line][]moment{}}, nil
}

// start watches the objects of a resource until the context ends.
func (w *watcher) start(ctx context.Context, resource schema.GroupVersionResource) {
	informer := dynamicinformer.NewFilteredDynamicInformer(
		w.client, resource, metav1.NamespaceAll, 0, cache.Indexers{}, nil,
	).Informer()
	see := func(o any) {
		object, ok := o.(*unstructured.Unstructured)
		if !ok {
			return
		}
		if resource == profiles {
			health, why := mustBe(object)
			w.keep(line{"profile", object.GetName()}, health, why)
			return
		}
		sync, health := state(object)
		w.keep(line{"sync", object.GetName()}, sync, conditions(object))
		w.keep(line{"health", object.GetName()}, health, "")
	}
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: see, UpdateFunc: func(_, o any) { see(o) }})
	go informer.RunWithContext(ctx)
}

func (w *watcher) keep(l line, state, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.moments[l]; state == "" || len(known) > 0 && known[len(known)-1].state == state {
		return
	}
	w.moments[l] = append(w.moments[l], moment{time.Now(), state, why})
}

// since are the changes after that instant.
func (w *watcher) since(l line, from time.Time) []moment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.moments[l]), func(m moment) bool { return m.at.Before(from) })
}

// between are the states that it was in between two instants, those at their ends included.
func (w *watcher) between(l line, from, to time.Time) []moment {
	w.mu.Lock()
	defer w.mu.Unlock()
	var in []moment
	for i, m := range w.moments[l] {
		ended := i+1 < len(w.moments[l]) && w.moments[l][i+1].at.Before(from)
		if !ended && m.at.Before(to) {
			in = append(in, m)
		}
	}
	return in
}

// mustBe is what config/argocd must say of a profile, in Go: test/argocd runs the check itself.
func mustBe(profile *unstructured.Unstructured) (health, why string) {
	observed, _, _ := unstructured.NestedInt64(profile.Object, "status", "observedGeneration")
	conditions := map[string]map[string]any{}
	all, _, _ := unstructured.NestedSlice(profile.Object, "status", "conditions")
	for _, c := range all {
		if c, ok := c.(map[string]any); ok {
			conditions[fmt.Sprint(c["type"])] = c
		}
	}
	contested, _, _ := unstructured.NestedInt64(profile.Object, "status", "namespaces", "contested")
	ready, stalled, admission := conditions["Ready"], conditions["Stalled"], conditions["AdmissionReady"]
	waits := []any{v1alpha1.ReasonContestedObjects, v1alpha1.ReasonDrifted, v1alpha1.ReasonBlocked}
	switch why = short(fmt.Sprint(ready["reason"], ": ", ready["message"])); {
	case ready == nil || observed != profile.GetGeneration():
		return "Progressing", "waiting for the operator"
	case stalled["status"] == "True", ready["status"] != "True" && slices.Contains(waits, ready["reason"]),
		ready["status"] == "True" && contested > 0, admission["reason"] == v1alpha1.ReasonContested:
		return "Degraded", why
	case ready["status"] == "True":
		return "Healthy", why
	}
	return "Progressing", why
}

// told lists changes in a row of the table.
func told(moments []moment) string {
	if len(moments) == 0 {
		return "no change"
	}
	counted := map[string]int{}
	var order []string
	for _, m := range moments {
		if counted[m.state] == 0 {
			order = append(order, m.state)
		}
		counted[m.state]++
	}
	var words []string
	for _, state := range order {
		words = append(words, fmt.Sprintf("%s %d times", state, counted[state]))
	}
	return strings.Join(words, ", ")
}
