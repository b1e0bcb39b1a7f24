// Package baseline renders a SecurityProfile into the objects that a namespace shall hold, as the
// API server would store them. A kind has a file, and a row in the tables Kinds, NamespacedKinds and
// ClusterKinds, which say all that is particular to it.
//
// It is pure: it may import the API and Kubernetes' types, and no client or clock. It must never
// know what a cluster holds.
package baseline

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Object is any Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// Kind is what there is to know of one kind of managed object. Code that treats kinds alike ranges
// over Kinds, NamespacedKinds or ClusterKinds, so that a new kind is a new row.
type Kind struct {
	schema.GroupVersionKind
	// Resource is the name of the kind in the API's paths.
	Resource string
	// Shared objects have other owners too: only the fields that the baseline sets are compared and
	// applied. An object that is not shared is Bulwark's alone: whatever else it holds is drift.
	Shared bool
	// New makes an empty object of this kind.
	New func() Object
	// Content are the parts of an object that the baseline declares, by their field path.
	Content func(Object) map[string]any
	// Immutable are field paths that the API server lets nobody change: the object is deleted and
	// made anew.
	Immutable []string
	// MadeLast is set if objects of this kind count others: they are made when those are there.
	MadeLast bool
	// RemovedLast is set if an object of this kind cannot be made again as it was.
	RemovedLast bool
	// JudgesRequests is set if objects of this kind judge requests to the API server. Then
	//
	//  1. no admission changes them,
	//  2. their removal waits for no contest, and counts as one also if somebody else was faster,
	//  3. one that is about to go is neither kept nor put back.
	JudgesRequests bool
	// PutsInForce names the object that an object of this kind puts in force; nil if it needs no
	// other.
	PutsInForce func(Object) Object
	// DeleteAsRead is set if an object of this kind is deleted only in the version that was read,
	// without finalizers. With one more finalizer it would stay in force.
	DeleteAsRead bool
	// Loosen takes off an object what would keep the API server from storing it without finalizers;
	// nil if there is no such field.
	Loosen func(Object)
	// Refusing is set if objects of this kind can refuse what runs in a namespace.
	Refusing *Refusing

	// Is reports whether an object is of this kind.
	Is func(Object) bool
}

// NamespaceKind is the kind of a namespace itself, whose labels are a part of its baseline.
var NamespaceKind = refusingByLevel(kind("namespaces", corev1.SchemeGroupVersion.WithKind("Namespace"), shared,
	func(*corev1.Namespace) map[string]any { return nil }))

// NamespacedKinds are the kinds of the objects that a namespace's baseline consists of, in the
// order in which they are applied: what restricts before what permits.
var NamespacedKinds = []Kind{
	kind("networkpolicies", networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), exclusive,
		func(o *networkingv1.NetworkPolicy) map[string]any { return map[string]any{"spec": o.Spec} }),
	refusing(kind("limitranges", corev1.SchemeGroupVersion.WithKind("LimitRange"), exclusive,
		func(o *corev1.LimitRange) map[string]any { return map[string]any{"spec": o.Spec} }),
		PodsOutOfBounds, func(o *corev1.LimitRange) *corev1.LimitRangeSpec { return &o.Spec }),
	madeLast(refusing(kind("resourcequotas", corev1.SchemeGroupVersion.WithKind("ResourceQuota"), exclusive,
		func(o *corev1.ResourceQuota) map[string]any { return map[string]any{"spec": o.Spec} },
		"spec.scopes", "spec.scopeSelector"),
		UsageAboveQuota, func(o *corev1.ResourceQuota) *corev1.ResourceQuotaSpec { return &o.Spec })),
	removedLast(kind("serviceaccounts", corev1.SchemeGroupVersion.WithKind("ServiceAccount"), shared,
		func(o *corev1.ServiceAccount) map[string]any {
			return map[string]any{"automountServiceAccountToken": o.AutomountServiceAccountToken}
		})), // Its tokens die with its UID.
	kind("roles", rbacv1.SchemeGroupVersion.WithKind("Role"), exclusive,
		func(o *rbacv1.Role) map[string]any { return map[string]any{"rules": o.Rules} }),
	kind("rolebindings", rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), exclusive,
		func(o *rbacv1.RoleBinding) map[string]any {
			return map[string]any{"roleRef": o.RoleRef, "subjects": o.Subjects}
		},
		"roleRef"),
}

// Kinds are all kinds of a namespace's baseline, in the order in which they are applied.
var Kinds = slices.Concat([]Kind{NamespaceKind}, NamespacedKinds)

const (
	shared    = true
	exclusive = false
)

func kind[T any, P interface {
	*T
	Object
}](
	resource string, gvk schema.GroupVersionKind, shared bool, content func(P) map[string]any, immutable ...string,
) Kind {
	return Kind{
		GroupVersionKind: gvk,
		Resource:         resource,
		Shared:           shared,
		New:              func() Object { return P(new(T)) },
		Content:          func(o Object) map[string]any { return content(o.(P)) },
		Immutable:        immutable,
		Is:               func(o Object) bool { _, ok := o.(P); return ok },
	}
}

func madeLast(k Kind) Kind {
	k.MadeLast = true
	return k
}

func removedLast(k Kind) Kind {
	k.RemovedLast = true
	return k
}

// KindOf is the Kind of an object of one of the managed kinds.
func KindOf(o Object) *Kind {
	for _, kinds := range [][]Kind{Kinds, ClusterKinds} {
		for i := range kinds {
			if kinds[i].Is(o) {
				return &kinds[i]
			}
		}
	}
	panic(fmt.Sprintf("baseline: %T is not a managed kind", o))
}

// Reference names an object as reports do.
func Reference(o Object) v1alpha1.ObjectReference {
	apiVersion, kind := KindOf(o).ToAPIVersionAndKind()
	return v1alpha1.ObjectReference{APIVersion: apiVersion, Kind: kind, Name: PrintableName(o.GetName())}
}

// IsLabelled reports whether an object bears the label by which it is a profile's.
func IsLabelled(o metav1.Object) bool {
	_, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
	return labelled
}

// Describe names an object in error messages: kind, namespace and name.
func Describe(o Object) string {
	return KindOf(o).Kind + " " + types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}.String()
}

// Named is the empty object of a namespace's baseline that a reference names; nil if no baseline
// holds one of that kind and name.
func Named(ref v1alpha1.ObjectReference, namespace string) Object {
	i := slices.IndexFunc(Kinds, func(k Kind) bool {
		return k.GroupVersionKind == schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
	})
	if i < 0 {
		return nil
	}
	o := Kinds[i].New()
	o.SetName(ref.Name)
	if NamespaceKind.Is(o) {
		if ref.Name != namespace {
			return nil
		}
		return o
	}
	o.SetNamespace(namespace)
	if len(content.IsPathSegmentName(ref.Name)) > 0 ||
		!BelongsToNamespace(o) && !strings.HasPrefix(ref.Name, v1alpha1.NamePrefix) {
		return nil
	}
	return o
}

// digestLength is how many hexadecimal digits of its SHA-256 stand for what a long name lost.
const digestLength = 32

// PrintableName is a name as a report can hold it, and a person read it: Kubernetes bounds the name
// of a Role or RoleBinding in no way, neither its length nor its characters. The text that stands
// for such a name still tells objects apart, and no object can bear it as its own, since names hold
// no slash.
func PrintableName(name string) string {
	if printable.Plain(name) && utf8.RuneCountInString(name) <= v1alpha1.MaxName {
		return name
	}
	printed := []rune(printable.Line(name))
	digest := fmt.Sprintf("…/%x", sha256.Sum256([]byte(name)))[:len("…/")+digestLength]
	return string(printed[:min(len(printed), v1alpha1.MaxName-utf8.RuneCountInString(digest))]) + digest
}
