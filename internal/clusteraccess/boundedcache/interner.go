package boundedcache

import (
	"maps"
	"reflect"
	"sync"
	"unique"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// interner lets cached objects share equal values. A profile puts the same object into each of its
// namespaces, so that ten thousand copies of one spec become one; nobody writes to cached objects.
type interner struct {
	mu sync.Mutex
	// latest is the latest object of each kind and name. It is bounded, since whoever makes objects
	// that bear Bulwark's label chooses their names.
	latest map[v1alpha1.ObjectReference]baseline.Object
}

const (
	// maxInternedNames is how many names are remembered: far more than the profiles of a cluster
	// declare.
	maxInternedNames = 4096
	// maxInternedBytes is how large an object may be that stays in memory after its deletion.
	maxInternedBytes = 16 << 10
)

func newInterner() *interner {
	return &interner{latest: map[v1alpha1.ObjectReference]baseline.Object{}}
}

// intern makes an object share its equal parts with the latest one of its kind and name.
func (i *interner) intern(o baseline.Object) {
	i.withLatest(baseline.Reference(o), o, func(latest baseline.Object) {
		internMetadata(o, latest)
		internContent(o, latest)
	})
}

// internReport makes a report share its texts with all reports, and its metadata with the latest
// one of its profile.
func (i *interner) internReport(report *v1alpha1.NamespacePosture) {
	texts := []*string{&report.Kind, &report.APIVersion, &report.Profile}
	for j := range report.Objects {
		o := &report.Objects[j]
		texts = append(texts, &o.APIVersion, &o.Kind, &o.Name, (*string)(&o.State))
	}
	for j := range report.Status.Conditions {
		c := &report.Status.Conditions[j]
		texts = append(texts, &c.Type, (*string)(&c.Status), &c.Reason, &c.Message)
	}
	for _, text := range texts {
		*text = unique.Make(*text).Value()
	}
	key := v1alpha1.ObjectReference{Kind: "NamespacePosture", Name: report.Profile}
	i.withLatest(key, report, func(latest baseline.Object) { internMetadata(report, latest) })
}

// withLatest calls the function with the latest object of a name, if there is one. Then it
// remembers the given object, which others read from then on.
func (i *interner) withLatest(ref v1alpha1.ObjectReference, o baseline.Object, share func(latest baseline.Object)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	latest, known := i.latest[ref]
	switch {
	case known:
		share(latest)
	case len(i.latest) >= maxInternedNames:
		clear(i.latest)
	}
	if size, ok := sizeOf(o); ok && size <= maxInternedBytes && baseline.LeftOut(o) == 0 {
		i.latest[ref] = o
	}
}

// sizeOf is about how many bytes an object takes, if that can be told.
func sizeOf(o baseline.Object) (int, bool) {
	if report, ok := o.(*v1alpha1.NamespacePosture); ok {
		return posture.Size(report), true
	}
	sized, ok := o.(interface{ Size() int })
	if !ok {
		return 0, false
	}
	return sized.Size(), true
}

func internMetadata(o, latest baseline.Object) {
	if labels := latest.GetLabels(); maps.Equal(labels, o.GetLabels()) {
		o.SetLabels(labels)
	}
	if owners := latest.GetOwnerReferences(); reflect.DeepEqual(owners, o.GetOwnerReferences()) {
		o.SetOwnerReferences(owners)
	}
	if name := latest.GetName(); name == o.GetName() {
		o.SetName(name)
	}
}

// internContent shares what a baseline declares of the objects that Bulwark manages alone.
func internContent(o, latest baseline.Object) {
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		internValue(&o.Spec, &latest.(*networkingv1.NetworkPolicy).Spec)
	case *corev1.LimitRange:
		internValue(&o.Spec, &latest.(*corev1.LimitRange).Spec)
	case *corev1.ResourceQuota:
		internValue(&o.Spec, &latest.(*corev1.ResourceQuota).Spec)
		counting.Digest(o) // A counted quota's status is its spec's map, which is shared by now.
	case *rbacv1.Role:
		internValue(&o.Rules, &latest.(*rbacv1.Role).Rules)
	case *rbacv1.RoleBinding:
		internValue(&o.RoleRef, &latest.(*rbacv1.RoleBinding).RoleRef)
		internValue(&o.Subjects, &latest.(*rbacv1.RoleBinding).Subjects)
	}
}

func internValue[T any](value, latest *T) {
	if reflect.DeepEqual(value, latest) {
		*value = *latest
	}
}
