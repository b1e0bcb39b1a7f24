package controllers

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
)

// sharing lets the objects of a cache have in common what is the same in all of them. A profile puts the same object into each of its
// namespaces, so that ten thousand copies of one spec become one. Nobody writes to what the cache holds.
type sharing struct {
	mu sync.Mutex
	// last is the last object of each kind and name. Whoever can make objects that bear our label chooses names, so they are bounded.
	last map[v1alpha1.ObjectReference]baseline.Object
}

const (
	// maxShared bounds the names of which content is remembered: far more than the profiles of a cluster declare.
	maxShared = 4096
	// maxRemembered is how large an object may be, in bytes, that is remembered though it may be gone.
	maxRemembered = 16 << 10
)

func newSharing() *sharing {
	return &sharing{last: map[v1alpha1.ObjectReference]baseline.Object{}}
}

// share makes an object have in common with the last one of its kind and name what is the same in both.
func (s *sharing) share(o baseline.Object) {
	s.withLast(baseline.Reference(o), o, func(last baseline.Object) {
		shareMetadata(o, last)
		shareContent(o, last)
	})
}

// shareReport does so with a report and the last one of its profile.
func (s *sharing) shareReport(report *v1alpha1.NamespacePosture) {
	texts := []*string{&report.Kind, &report.APIVersion, &report.Profile}
	for i := range report.Objects {
		o := &report.Objects[i]
		texts = append(texts, &o.APIVersion, &o.Kind, &o.Name, (*string)(&o.State))
	}
	for _, text := range texts {
		*text = unique.Make(*text).Value()
	}
	s.withLast(v1alpha1.ObjectReference{Kind: "NamespacePosture", Name: report.Profile}, report, func(last baseline.Object) {
		shareMetadata(report, last)
	})
}

// withLast calls the function with the last object, if there is one, and then remembers this one: others read it from then on.
func (s *sharing) withLast(ref v1alpha1.ObjectReference, o baseline.Object, share func(last baseline.Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[ref]
	switch {
	case known:
		share(last)
	case len(s.last) >= maxShared:
		clear(s.last)
	}
	if sized, ok := o.(interface{ Size() int }); ok && sized.Size() <= maxRemembered && baseline.LeftOut(o) == 0 {
		s.last[ref] = o
	}
}

func shareMetadata(o, last baseline.Object) {
	if labels := last.GetLabels(); maps.Equal(labels, o.GetLabels()) {
		o.SetLabels(labels)
	}
	if owners := last.GetOwnerReferences(); reflect.DeepEqual(owners, o.GetOwnerReferences()) {
		o.SetOwnerReferences(owners)
	}
	if name := last.GetName(); name == o.GetName() {
		o.SetName(name)
	}
}

// shareContent shares what a baseline declares of the objects that are Bulwark's alone.
func shareContent(o, last baseline.Object) {
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		shareValue(&o.Spec, &last.(*networkingv1.NetworkPolicy).Spec)
	case *corev1.LimitRange:
		shareValue(&o.Spec, &last.(*corev1.LimitRange).Spec)
	case *corev1.ResourceQuota:
		shareValue(&o.Spec, &last.(*corev1.ResourceQuota).Spec)
		counting.Digest(o) // Of one that is counted it is the spec's map, which is shared by now.
	case *rbacv1.Role:
		shareValue(&o.Rules, &last.(*rbacv1.Role).Rules)
	case *rbacv1.RoleBinding:
		shareValue(&o.RoleRef, &last.(*rbacv1.RoleBinding).RoleRef)
		shareValue(&o.Subjects, &last.(*rbacv1.RoleBinding).Subjects)
	}
}

func shareValue[T any](value, last *T) {
	if reflect.DeepEqual(value, last) {
		*value = *last
	}
}
