package controllers

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// TestSharedObjectsHoldWhatTheyHeld shares the baselines of several profiles and namespaces, also tampered with, and holds each against its copy.
func TestSharedObjectsHoldWhatTheyHeld(t *testing.T) {
	s := newSharing()
	for _, name := range []string{"a", "b", "a"} {
		profile := fixture.Profile(name)
		profile.UID = "uid-" + "x"
		for i := range 3 {
			for j, o := range baseline.Render(profile, fmt.Sprint("ns-", i))[1:] {
				if j == i { // Somebody has changed it.
					o.SetLabels(map[string]string{"changed": name})
				}
				want := o.DeepCopyObject()
				s.share(o)
				if diff := cmp.Diff(want, o); diff != "" {
					t.Errorf("%s changed (-before +after):\n%s", describe(o), diff)
				}
			}
		}
	}
}

func TestWhatIsTheSameIsHeldOnce(t *testing.T) {
	s := newSharing()
	profile := fixture.Profile("a")
	profile.UID = "uid-1"
	first, second := baseline.Render(profile, "ns-1"), baseline.Render(profile, "ns-2")
	for i := range first[1:] {
		s.share(first[i+1])
		s.share(second[i+1])
	}
	same := func(a, b any) bool { return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer() }
	for i, o := range first[1:] {
		other := second[i+1]
		if !same(o.GetLabels(), other.GetLabels()) {
			t.Errorf("%s: the labels are held twice", describe(o))
		}
		if unsafe.SliceData(o.GetOwnerReferences()) != unsafe.SliceData(other.GetOwnerReferences()) {
			t.Errorf("%s: the owner is held twice", describe(o))
		}
		switch o := o.(type) {
		case *corev1.ResourceQuota:
			if !same(o.Spec.Hard, other.(*corev1.ResourceQuota).Spec.Hard) {
				t.Error("the bounds of a quota are held twice")
			}
		case *rbacv1.Role:
			if !same(o.Rules, other.(*rbacv1.Role).Rules) {
				t.Error("the rules of a role are held twice")
			}
		}
	}
}

func TestReportsShareTextsAndMetadata(t *testing.T) {
	s := newSharing()
	one, two := compliantReport(), compliantReport()
	two.Namespace, two.Objects[0].Name = "till", "till"
	want := two.DeepCopy()
	s.shareReport(one)
	s.shareReport(two)
	if diff := cmp.Diff(want, two); diff != "" {
		t.Errorf("the report changed (-before +after):\n%s", diff)
	}
	if reflect.ValueOf(one.Labels).UnsafePointer() != reflect.ValueOf(two.Labels).UnsafePointer() {
		t.Error("the labels are held twice")
	}
	if unsafe.StringData(one.Objects[1].Name) != unsafe.StringData(two.Objects[1].Name) {
		t.Error("a name is held twice")
	}
}

func TestWhatIsSharedIsBounded(t *testing.T) {
	s := newSharing()
	for i := range 3 * maxShared {
		s.share(&corev1.LimitRange{ObjectMeta: objectMetaNamed(fmt.Sprint("forged-", i))})
	}
	if len(s.last) > maxShared {
		t.Errorf("%d names are remembered", len(s.last))
	}
	s.shareReport(&v1alpha1.NamespacePosture{})
	large := limited("1")
	large.Annotations = map[string]string{"payload": strings.Repeat("x", 1<<20)}
	s.share(large)
	if s.last[baseline.Reference(large)] != nil {
		t.Error("a megabyte is remembered of an object that may be gone")
	}
}

func TestObjectsAreSharedAtOnce(t *testing.T) {
	s := newSharing()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				o := limited("1")
				o.Namespace = fmt.Sprint("ns-", i)
				s.share(o)
				_ = o.Spec.Limits[0].Max.Cpu().String()
			}
		})
	}
	all.Wait()
}

func objectMetaNamed(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name}
}
