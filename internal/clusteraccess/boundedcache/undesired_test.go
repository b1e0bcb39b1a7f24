package boundedcache

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func role(namespace, name string) *rbacv1.Role {
	return &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// developers desires a Role bulwark-developer and its binding.
func developers() *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: "developers", UID: "1"},
		Spec: v1alpha1.SecurityProfileSpec{RBAC: &v1alpha1.RBAC{Roles: []v1alpha1.Role{{
			Name:     "developer",
			Rules:    []v1alpha1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}},
			Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "developers"}},
		}}}},
	}
}

func TestUndesiredInAWatch(t *testing.T) {
	added := func(name string) watch.Event { return watch.Event{Type: watch.Added, Object: role("shop", name)} }
	modified := func(name string) watch.Event { return watch.Event{Type: watch.Modified, Object: role("shop", name)} }
	deleted := func(name string) watch.Event { return watch.Event{Type: watch.Deleted, Object: role("shop", name)} }
	var full []watch.Event
	for i := range MaxUndesired {
		full = append(full, added(fmt.Sprint("cached-", i)))
	}
	for sentence, c := range map[string]struct {
		events   []watch.Event // after as many are cached as may be
		passed   []string
		uncached int
	}{
		"an object beyond the bound is counted and not cached": {
			[]watch.Event{added("more"), added("another")}, []string{"DELETED more"}, 2,
		},
		"a desired object is cached": {
			[]watch.Event{added("bulwark-developer")}, []string{"ADDED bulwark-developer"}, 0,
		},
		"a cached object may be modified": {
			[]watch.Event{modified("cached-0")}, []string{"MODIFIED cached-0"}, 0,
		},
		"an uncached object that is modified is not cached": {
			[]watch.Event{added("more"), modified("more")}, []string{"DELETED more", "DELETED more"}, 1,
		},
		"the deletion of an uncached object passes": {
			[]watch.Event{added("more"), deleted("more")}, []string{"DELETED more", "DELETED more"}, 0,
		},
		"a deletion makes room for the next object that is added": {
			[]watch.Event{deleted("cached-0"), added("more")}, []string{"DELETED cached-0", "ADDED more"}, 0,
		},
		"a deletion makes room for an uncached object once it is modified": {
			[]watch.Event{added("more"), deleted("cached-0"), modified("more")},
			[]string{"DELETED more", "DELETED cached-0", "MODIFIED more"}, 0,
		},
		"the deletion of a desired object leaves the count as it is": {
			[]watch.Event{added("more"), deleted("bulwark-developer")},
			[]string{"DELETED more", "DELETED bulwark-developer"}, 1,
		},
		"the count is never negative, though an object is deleted twice": {
			[]watch.Event{deleted("more"), deleted("more"), added("more")},
			[]string{"DELETED more", "DELETED more", "DELETED more"}, 1,
		},
		"another namespace has room of its own": {
			[]watch.Event{{Type: watch.Added, Object: role("annex", "more")}}, []string{"ADDED more"}, 0,
		},
		"a bookmark passes": {[]watch.Event{{Type: watch.Bookmark, Object: role("", "")}}, []string{"BOOKMARK "}, 0},
		"an error passes":   {[]watch.Event{{Type: watch.Error, Object: &metav1.Status{}}}, []string{"ERROR "}, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			desired := NewDesired()
			desired.Note(developers())
			u := NewUndesired(desired)
			source := watch.NewFake()
			w := u.watch("Role", source, true)
			go func() {
				for _, e := range append(full, c.events...) {
					source.Action(e.Type, e.Object)
				}
				source.Stop()
			}()
			var passed []string
			for e := range w.ResultChan() {
				name := ""
				if o, ok := e.Object.(*rbacv1.Role); ok {
					name = o.Name
				}
				passed = append(passed, string(e.Type)+" "+name)
			}
			asText := cmp.Transformer("text", func(s []string) string { return fmt.Sprint(s) })
			if diff := cmp.Diff(c.passed, passed[MaxUndesired:], asText); diff != "" {
				t.Error(diff)
			}
			if got := u.Uncached("Role", "shop"); got != c.uncached {
				t.Errorf("%d uncached, not %d", got, c.uncached)
			}
		})
	}
}

func TestUndesiredInListsAreCountedAgain(t *testing.T) {
	u := NewUndesired(NewDesired())
	list := &rbacv1.RoleList{}
	for i := range MaxUndesired + 3 {
		list.Items = append(list.Items, *role("shop", fmt.Sprint("role-", i)))
	}
	for _, first := range []bool{true, true} { // Read twice, it is counted once.
		page, err := u.list("Role", list.DeepCopyObject(), first)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.(*rbacv1.RoleList).Items); n != MaxUndesired {
			t.Errorf("%d are cached", n)
		}
		if n := u.Uncached("Role", "shop"); n != 3 {
			t.Errorf("%d are uncached", n)
		}
	}
}
