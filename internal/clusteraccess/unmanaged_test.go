package clusteraccess

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
			Name: "developer", Rules: []v1alpha1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}},
			Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "developers"}},
		}}}},
	}
}

func TestUnmanaged(t *testing.T) {
	added := func(name string) watch.Event { return watch.Event{Type: watch.Added, Object: role("shop", name)} }
	modified := func(name string) watch.Event { return watch.Event{Type: watch.Modified, Object: role("shop", name)} }
	deleted := func(name string) watch.Event { return watch.Event{Type: watch.Deleted, Object: role("shop", name)} }
	var full []watch.Event
	for i := range MaxUnmanaged {
		full = append(full, added(fmt.Sprint("held-", i)))
	}
	for sentence, c := range map[string]struct {
		events []watch.Event // after the place is full
		passed []string
		beyond int
	}{
		"what comes beyond the bound is counted and not held":    {[]watch.Event{added("more"), added("another")}, []string{"DELETED more"}, 2},
		"what is desired by name is held":                        {[]watch.Event{added("bulwark-developer")}, []string{"ADDED bulwark-developer"}, 0},
		"what is held may change":                                {[]watch.Event{modified("held-0")}, []string{"MODIFIED held-0"}, 0},
		"of what is beyond and changes the cache holds nothing":  {[]watch.Event{added("more"), modified("more")}, []string{"DELETED more", "DELETED more"}, 1},
		"of what is beyond it is told when it goes":              {[]watch.Event{added("more"), deleted("more")}, []string{"DELETED more", "DELETED more"}, 0},
		"what goes makes room for the next that comes":           {[]watch.Event{deleted("held-0"), added("more")}, []string{"DELETED held-0", "ADDED more"}, 0},
		"what goes makes room for one beyond once that changes":  {[]watch.Event{added("more"), deleted("held-0"), modified("more")}, []string{"DELETED more", "DELETED held-0", "MODIFIED more"}, 0},
		"what goes and is desired leaves the count as it is":     {[]watch.Event{added("more"), deleted("bulwark-developer")}, []string{"DELETED more", "DELETED bulwark-developer"}, 1},
		"what goes again was not there, and nothing is below it": {[]watch.Event{deleted("more"), deleted("more"), added("more")}, []string{"DELETED more", "DELETED more", "DELETED more"}, 1},
		"another namespace has room of its own": {
			[]watch.Event{{Type: watch.Added, Object: role("annex", "more")}}, []string{"ADDED more"}, 0,
		},
		"a bookmark passes": {[]watch.Event{{Type: watch.Bookmark, Object: role("", "")}}, []string{"BOOKMARK "}, 0},
		"an error passes":   {[]watch.Event{{Type: watch.Error, Object: &metav1.Status{}}}, []string{"ERROR "}, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			desired := NewDesired()
			desired.Note(developers())
			u := NewUnmanaged(desired)
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
			if diff := cmp.Diff(c.passed, passed[MaxUnmanaged:], cmp.Transformer("empty", func(s []string) string { return fmt.Sprint(s) })); diff != "" {
				t.Error(diff)
			}
			if got := u.Beyond("Role", "shop"); got != c.beyond {
				t.Errorf("%d beyond, not %d", got, c.beyond)
			}
		})
	}
}

func TestUnmanagedListsCountAnew(t *testing.T) {
	u := NewUnmanaged(NewDesired())
	list := &rbacv1.RoleList{}
	for i := range MaxUnmanaged + 3 {
		list.Items = append(list.Items, *role("shop", fmt.Sprint("role-", i)))
	}
	for _, first := range []bool{true, true} { // Read twice, it is counted once.
		page, err := u.list("Role", list.DeepCopyObject(), first)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.(*rbacv1.RoleList).Items); n != MaxUnmanaged {
			t.Errorf("%d are held", n)
		}
		if n := u.Beyond("Role", "shop"); n != 3 {
			t.Errorf("%d are beyond", n)
		}
	}
}

func TestAFilteredWatchEndsThoughNobodyReads(t *testing.T) {
	source := watch.NewFakeWithChanSize(1, false)
	w := (&filter{pass: func(e watch.Event) (watch.Event, bool) { return e, true }}).start(source)
	source.Add(role("shop", "one"))
	w.Stop()
	for range w.ResultChan() { // It is closed, after one event at most.
	}
}

func TestDesired(t *testing.T) {
	d := NewDesired()
	limit := func(name string) int {
		bytes, desired := d.Limit("Role", name)
		if !desired {
			return -1
		}
		return bytes
	}
	if got := limit("bulwark-developer"); got != -1 {
		t.Errorf("nobody desires it, and %d bytes are held", got)
	}
	profile := developers()
	d.Note(profile)
	small := limit("bulwark-developer")
	if small < spareBytes || small > spareBytes+200 {
		t.Errorf("%d bytes are held of what is a few", small)
	}
	larger := developers()
	larger.UID = "2"
	for range 100 {
		rules := &larger.Spec.RBAC.Roles[0].Rules
		*rules = append(*rules, (*rules)[0])
	}
	d.Note(larger)
	if got := limit("bulwark-developer"); got < 2*100*10 {
		t.Errorf("%d bytes are held of what is larger", got)
	}
	d.Forget(larger)
	if got := limit("bulwark-developer"); got != small {
		t.Errorf("%d bytes are held, not %d as before", got, small)
	}
	profile.Spec.RBAC.Roles[0].Name = "other"
	d.Note(profile)
	if got := limit("bulwark-developer"); got != -1 {
		t.Errorf("nobody desires it any more, and %d bytes are held", got)
	}
}

func TestLabels(t *testing.T) {
	l := NewLabels()
	selecting := func(uid types.UID, key string) *v1alpha1.SecurityProfile {
		p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{UID: uid}}
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{key: "prod"}
		return p
	}
	stale := func() bool {
		select {
		case <-l.missed:
			return true
		default:
			return false
		}
	}
	small := map[string]string{"tier": "prod", "team": "shop"}
	if diff := cmp.Diff(small, l.Trim(small)); diff != "" {
		t.Error("few labels are held, whatever they are:", diff)
	}
	large := map[string]string{"tier": "prod", "team": "shop", v1alpha1.ProfileLabel: "restricted"}
	for i := range 2000 {
		large[fmt.Sprint("label-", i)] = "x"
	}
	l.Note(selecting("1", "tier"))
	if diff := cmp.Diff(map[string]string{"tier": "prod", v1alpha1.ProfileLabel: "restricted"}, l.Trim(large)); diff != "" {
		t.Error("of many labels those are held that somebody asks for:", diff)
	}
	l.Note(selecting("1", "tier"))
	if stale() {
		t.Error("nothing new is asked for")
	}
	l.Note(selecting("2", "team"))
	if !stale() {
		t.Error("what was left out is asked for")
	}
	if l.Note(selecting("3", "later")); stale() {
		t.Error("nothing was read since")
	}
	l.Forget(selecting("1", "tier"))
	if diff := cmp.Diff(map[string]string{"team": "shop", v1alpha1.ProfileLabel: "restricted"}, l.Trim(large)); diff != "" {
		t.Error("nobody asks for the tier any more:", diff)
	}
}

func TestAWatchExpiresWhenWhatWasLeftOutCannotBeTold(t *testing.T) {
	source, missed := watch.NewFake(), make(chan struct{}, 1)
	w := (&filter{
		missed: func() <-chan struct{} { return missed },
		retell: func(context.Context, func(watch.Event)) error { return errors.New("the version is compacted") },
	}).start(source)
	missed <- struct{}{}
	if e := <-w.ResultChan(); !apierrors.IsResourceExpired(apierrors.FromObject(e.Object)) {
		t.Errorf("it says %v", e)
	}
	w.Stop()
}

func TestWhatAWatchHasTold(t *testing.T) {
	at := func(version string, annotations map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version, Annotations: annotations}}
	}
	var told told
	told.note(watch.Event{Type: watch.Added, Object: at("7", nil)})
	told.note(watch.Event{Type: watch.Bookmark, Object: at("8", nil)})
	if told.all {
		t.Error("what was there at first is still coming")
	}
	told.note(watch.Event{Type: watch.Bookmark, Object: at("9", map[string]string{metav1.InitialEventsAnnotationKey: "true"})})
	told.note(watch.Event{Type: watch.Deleted, Object: at("12", nil)})
	told.note(watch.Event{Type: watch.Error, Object: &metav1.Status{}})
	if !told.all || told.version != "12" {
		t.Errorf("it has told %+v", told)
	}
}
