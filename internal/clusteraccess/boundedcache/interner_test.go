package boundedcache

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
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// TestInternChangesNoObject interns the baselines of several profiles and namespaces, some of them
// tampered with, and compares each object with its copy.
func TestInternChangesNoObject(t *testing.T) {
	in := newInterner()
	for _, name := range []string{"a", "b", "a"} {
		profile := fixture.Profile(name)
		profile.UID = "uid-" + "x"
		for i := range 3 {
			for j, o := range baseline.Render(profile, fmt.Sprint("ns-", i))[1:] {
				if j == i { // Somebody has changed it.
					o.SetLabels(map[string]string{"changed": name})
				}
				want := o.DeepCopyObject()
				in.intern(o)
				if diff := cmp.Diff(want, o); diff != "" {
					t.Errorf("%s changed (-before +after):\n%s", baseline.Describe(o), diff)
				}
			}
		}
	}
}

func TestInternSharesEqualValues(t *testing.T) {
	in := newInterner()
	profile := fixture.Profile("a")
	profile.UID = "uid-1"
	first, second := baseline.Render(profile, "ns-1"), baseline.Render(profile, "ns-2")
	for i := range first[1:] {
		in.intern(first[i+1])
		in.intern(second[i+1])
	}
	same := func(a, b any) bool { return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer() }
	for i, o := range first[1:] {
		other := second[i+1]
		if !same(o.GetLabels(), other.GetLabels()) {
			t.Errorf("%s: the labels are stored twice", baseline.Describe(o))
		}
		if unsafe.SliceData(o.GetOwnerReferences()) != unsafe.SliceData(other.GetOwnerReferences()) {
			t.Errorf("%s: the owner is stored twice", baseline.Describe(o))
		}
		switch o := o.(type) {
		case *corev1.ResourceQuota:
			if !same(o.Spec.Hard, other.(*corev1.ResourceQuota).Spec.Hard) {
				t.Error("the bounds of a quota are stored twice")
			}
		case *rbacv1.Role:
			if !same(o.Rules, other.(*rbacv1.Role).Rules) {
				t.Error("the rules of a role are stored twice")
			}
		}
	}
}

func TestInternReportSharesTextsAndMetadata(t *testing.T) {
	in := newInterner()
	one, two := compliantReport(), compliantReport()
	two.Namespace, two.Objects[0].Name = "till", "till"
	want := two.DeepCopy()
	in.internReport(one)
	in.internReport(two)
	if diff := cmp.Diff(want, two); diff != "" {
		t.Errorf("the report changed (-before +after):\n%s", diff)
	}
	if reflect.ValueOf(one.Labels).UnsafePointer() != reflect.ValueOf(two.Labels).UnsafePointer() {
		t.Error("the labels are stored twice")
	}
	if unsafe.StringData(one.Objects[1].Name) != unsafe.StringData(two.Objects[1].Name) {
		t.Error("a name is stored twice")
	}
}

func TestInternerIsBounded(t *testing.T) {
	in := newInterner()
	for i := range 3 * maxInternedNames {
		in.intern(&corev1.LimitRange{ObjectMeta: objectMetaNamed(fmt.Sprint("forged-", i))})
	}
	if len(in.latest) > maxInternedNames {
		t.Errorf("%d names are remembered", len(in.latest))
	}
	in.internReport(&v1alpha1.NamespacePosture{})
	large := limited("1")
	large.Annotations = map[string]string{"payload": strings.Repeat("x", 1<<20)}
	in.intern(large)
	if in.latest[baseline.Reference(large)] != nil {
		t.Error("a megabyte is remembered of an object that may be gone")
	}
}

func TestInternConcurrently(t *testing.T) {
	in := newInterner()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				o := limited("1")
				o.Namespace = fmt.Sprint("ns-", i)
				in.intern(o)
				_ = o.Spec.Limits[0].Max.Cpu().String()
			}
		})
	}
	all.Wait()
}

func objectMetaNamed(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name}
}

// limited returns a LimitRange that bounds the CPU of containers.
func limited(cpu string) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: objectMetaNamed("bulwark-limits"),
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{"cpu": resource.MustParse(cpu)},
		}}},
	}
}

// compliantReport reports on a namespace in which all is as the profile strict declares.
func compliantReport() *v1alpha1.NamespacePosture {
	compliant := func(kind, name string) v1alpha1.ManagedObject {
		return v1alpha1.ManagedObject{
			ObjectReference: v1alpha1.ObjectReference{
				APIVersion: "v1",
				Kind:       kind,
				Name:       name,
			},
			State: v1alpha1.ObjectStateCompliant,
		}
	}
	return &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: v1alpha1.PostureName,
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "strict"},
		},
		Profile: "strict", ProfileGeneration: 4, Enforcement: v1alpha1.EnforcementEnforce,
		Objects: []v1alpha1.ManagedObject{compliant("Namespace", "shop"), compliant("LimitRange", "bulwark-limits")},
	}
}
