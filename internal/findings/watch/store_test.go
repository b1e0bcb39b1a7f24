package watch

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

// aStore keeps the data of ConfigMaps that say something, and tells of changes.
func aStore() (store *factStore[string], told func() []string) {
	var mu sync.Mutex
	var names []string
	store = &factStore[string]{
		facts: map[string]map[string]string{}, synced: make(chan struct{}),
		draw: func(o any) (string, bool) {
			says := o.(*corev1.ConfigMap).Data["says"]
			return says, says != ""
		},
		changed: func(namespace, name string) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, namespace+"/"+name)
		},
	}
	return store, func() []string {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(names)
		defer func() { names = nil }()
		return names
	}
}

func saying(namespace, name, says string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"says": says},
	}
}

func TestFactsFollowTheObjects(t *testing.T) {
	store, told := aStore()
	for _, step := range []struct {
		what string
		do   func() error
		told []string
		shop map[string]string
	}{
		{"a harmless object", func() error { return store.Add(saying("shop", "a", "")) }, nil, nil},
		{"one that says something", func() error {
			return store.Add(saying("shop", "b", "x"))
		}, []string{"shop/b"}, map[string]string{"b": "x"}},
		{"the same again", func() error { return store.Update(saying("shop", "b", "x")) }, nil, map[string]string{"b": "x"}},
		{"something else", func() error {
			return store.Update(saying("shop", "b", "y"))
		}, []string{"shop/b"}, map[string]string{"b": "y"}},
		{"it is harmless now", func() error { return store.Update(saying("shop", "b", "")) }, []string{"shop/b"}, nil},
		{"a harmless one goes", func() error { return store.Delete(saying("shop", "a", "")) }, nil, nil},
		{"everything anew", func() error {
			return store.Replace([]any{
				saying("shop", "c", "z"), saying("till", "a", "x"), saying("till", "b", "y"), saying("yard", "a", ""),
			}, "1")
		}, []string{"shop/c", "till/a"}, map[string]string{"c": "z"}},
		{"everything anew, and the same", func() error {
			return store.Replace([]any{saying("shop", "c", "z"), saying("till", "a", "x"), saying("till", "b", "y")}, "2")
		}, nil, map[string]string{"c": "z"}},
		{"everything anew, and less", func() error {
			return store.Replace([]any{saying("shop", "c", "z")}, "3")
		}, []string{"till/a"}, map[string]string{"c": "z"}},
		{"it goes, and only its name is known", func() error {
			return store.Delete(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}})
		}, []string{"shop/c"}, nil},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		got := told()
		for i := range got { // Of a namespace in which several facts differ, any one is told of.
			if got[i] == "till/b" {
				got[i] = "till/a"
			}
		}
		if diff := cmp.Diff(step.told, got); diff != "" {
			t.Errorf("%s: told of (-want +got):\n%s", step.what, diff)
		}
		if diff := cmp.Diff(step.shop, store.of("shop")); diff != "" {
			t.Errorf("%s: known (-want +got):\n%s", step.what, diff)
		}
	}
	if len(store.facts) != 0 {
		t.Errorf("kept of nothing: %v", store.facts)
	}
}

func TestFactsAreDrawnAsObjectsArrive(t *testing.T) {
	store, _ := aStore()
	select {
	case <-store.synced:
		t.Error("synced before anything was read")
	default:
	}
	temporary := toolscache.NewStore(
		toolscache.DeletionHandlingMetaNamespaceKeyFunc, toolscache.WithTransformer(store.Transformer()))
	for _, o := range []*corev1.ConfigMap{saying("shop", "a", "x"), saying("shop", "b", "")} {
		if err := temporary.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range temporary.List() {
		if _, ok := o.(*corev1.ConfigMap); ok {
			t.Error("an object is held though its facts are drawn")
		}
	}
	if err := store.Replace(temporary.List(), "1"); err != nil {
		t.Fatal(err)
	}
	<-store.synced
	if diff := cmp.Diff(map[string]string{"a": "x"}, store.of("shop")); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
}

func TestFactsAreReadAndWrittenAtOnce(t *testing.T) {
	store, _ := aStore()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				if err := store.Add(saying("shop", fmt.Sprint(i), fmt.Sprint(n))); err != nil {
					t.Error(err)
				}
				for range store.of("shop") {
					_ = store.namespacesWith(func(string) bool { return true })
				}
			}
		})
	}
	all.Wait()
	if n := len(store.of("shop")); n != 8 {
		t.Errorf("%d facts", n)
	}
}
