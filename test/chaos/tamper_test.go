package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// tampering changes an object that the operator made.
type tampering func(client.Object)

var tamperings = []tampering{
	loosen,
	loosen,
	func(o client.Object) { o.SetLabels(nil) },
	func(o client.Object) { o.SetOwnerReferences(nil) },
	func(o client.Object) { o.SetFinalizers(append(o.GetFinalizers(), "chaos.example.com/keep")) },
	func(o client.Object) { o.GetLabels()["chaos.example.com/added"] = "yes" },
	func(o client.Object) { o.SetAnnotations(map[string]string{"chaos.example.com/added": "yes"}) },
	func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = "nobody" },
	func(o client.Object) { o.GetLabels()[v1alpha1.ManagedByLabel] = "somebody" },
}

// loosen makes the object permit more than was declared.
func loosen(object client.Object) {
	switch o := object.(type) {
	case *networkingv1.NetworkPolicy:
		o.Spec = networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{"Ingress"},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{}},
		}
	case *corev1.LimitRange:
		o.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: amount("cpu", 64)}}
	case *corev1.ResourceQuota:
		o.Spec.Hard = amount("pods", 5000)
	case *corev1.ServiceAccount:
		o.AutomountServiceAccountToken = ptr.To(!ptr.Deref(o.AutomountServiceAccountToken, false))
	case *rbacv1.Role:
		o.Rules = append(o.Rules, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}})
	case *rbacv1.RoleBinding:
		o.Subjects = append(o.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "mallory"})
	}
}

func (w *world) tamperWithObject(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	first := r.IntN(len(baseline.NamespacedKinds))
	n, way := r.IntN(1<<20), r.IntN(len(tamperings)+2)
	if !found {
		return true, nil
	}
	var objects []baseline.Object
	for i := range baseline.NamespacedKinds { // Of the first kind, from a random one on, of which there is one.
		var err error
		if objects, err = w.labelled(&baseline.NamespacedKinds[(first+i)%len(baseline.NamespacedKinds)], name); err != nil {
			return true, err
		}
		if len(objects) > 0 {
			break
		}
	}
	if len(objects) == 0 {
		return true, nil
	}
	object := objects[n%len(objects)].(client.Object)
	switch {
	case object.GetName() == "default": // It has an operation of its own.
		return true, nil
	case way < len(tamperings):
		if err := w.noteStripping(objects[n%len(objects)]); err != nil {
			return true, err
		}
		return w.tamper(object, tamperings[way])
	case way == len(tamperings):
		return w.substitute(object)
	}
	return false, w.delete(object)
}

// noteStripping tells the model of an object that may be about to be stripped of what says that it
// is ours, and whether the namespace's report would still know.
func (w *world) noteStripping(object baseline.Object) error {
	ns, report := &corev1.Namespace{}, &v1alpha1.NamespacePosture{}
	err := w.insist(func() error {
		if err := w.admin.Get(w.ctx, client.ObjectKey{Name: object.GetNamespace()}, ns); err != nil {
			return err
		}
		key := client.ObjectKey{Namespace: object.GetNamespace(), Name: v1alpha1.PostureName}
		return w.admin.Get(w.ctx, key, report)
	})
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	remembered := report.Enforcement == v1alpha1.EnforcementEnforce &&
		slices.ContainsFunc(report.Objects, func(o v1alpha1.ManagedObject) bool {
			inPlace := o.State == v1alpha1.ObjectStateCompliant || o.State == v1alpha1.ObjectStateDrifted ||
				o.State == v1alpha1.ObjectStateBlocked
			return o.ObjectReference == baseline.Reference(object) && inPlace
		})
	w.model.strip(ns.UID, key(object.(client.Object)), remembered)
	return nil
}

// tamper updates the object, if it is still there.
func (w *world) tamper(object client.Object, change tampering) (bool, error) {
	err := w.update(object, func() {
		if object.GetLabels() == nil {
			object.SetLabels(map[string]string{})
		}
		change(object)
	})
	if apierrors.IsNotFound(err) || isRefused(err) || apierrors.IsInvalid(err) {
		return true, nil // Gone, or going: a finalizer cannot be added to what is being deleted.
	}
	return false, err
}

// substitute puts a loose object in the place of one of ours, with its labels, so that it poses as
// ours.
func (w *world) substitute(object client.Object) (bool, error) {
	if err := w.delete(object); err != nil {
		return false, err
	}
	substitute := baseline.KindOf(object).New()
	substitute.SetNamespace(object.GetNamespace())
	substitute.SetName(object.GetName())
	substitute.SetLabels(object.GetLabels())
	switch o := substitute.(type) {
	case *rbacv1.RoleBinding:
		o.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}
	case *corev1.ResourceQuota:
		o.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	}
	loosen(substitute)
	return w.create(substitute, func() {})
}

func (w *world) tamperWithLabels(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	other := w.model.prefix + choose.OneOf(r, profileNames...)
	change := choose.OneOf(r,
		func(ns *corev1.Namespace) { ns.Labels["pod-security.kubernetes.io/enforce"] = "privileged" },
		func(ns *corev1.Namespace) { ns.Labels["pod-security.kubernetes.io/enforce-version"] = "v1.0" },
		func(ns *corev1.Namespace) { delete(ns.Labels, "pod-security.kubernetes.io/enforce") },
		func(ns *corev1.Namespace) { delete(ns.Labels, v1alpha1.ProfileLabel) },
		func(ns *corev1.Namespace) { ns.Labels[v1alpha1.ProfileLabel] = other },
	)
	if !found {
		return true, nil
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return false, w.update(ns, func() { change(ns) })
}

func (w *world) tamperWithDefaultAccount(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	deletes := maybe(r, 0.3)
	if !found {
		return true, nil
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"}}
	if deletes {
		return false, w.delete(account)
	}
	return w.tamper(
		account,
		func(o client.Object) { o.(*corev1.ServiceAccount).AutomountServiceAccountToken = ptr.To(true) },
	)
}

func (w *world) tamperWithReport(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	change := choose.OneOf(r,
		func(o client.Object) {
			report := o.(*v1alpha1.NamespacePosture)
			report.Status = fixture.Ready(!report.IsReady())
		},
		func(o client.Object) { o.(*v1alpha1.NamespacePosture).Objects = nil },
		func(o client.Object) { o.(*v1alpha1.NamespacePosture).Profile = "nobody" },
		func(o client.Object) { o.(*v1alpha1.NamespacePosture).ProfileGeneration += 7 },
		func(o client.Object) { o.SetOwnerReferences(nil) },
		func(o client.Object) { o.SetLabels(nil) },
		nil)
	if !found {
		return true, nil
	}
	ns := &corev1.Namespace{}
	if err := w.insist(func() error { return w.admin.Get(w.ctx, client.ObjectKey{Name: name}, ns) }); err != nil {
		return true, client.IgnoreNotFound(err)
	}
	w.model.forget(ns.UID)
	report := &v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: v1alpha1.PostureName}}
	if change == nil {
		err := w.delete(report)
		return refusedByGate(err), ignoreGate(err)
	}
	skipped, err := w.tamper(report, change)
	return skipped || refusedByGate(err), ignoreGate(err)
}

// refusedByGate reports whether a gate refused a write of the report that it believes: without
// tamper protection nobody can break its glass.
func refusedByGate(err error) bool {
	return err != nil &&
		strings.Contains(err.Error(), "a NamespacePosture is written by Bulwark alone (spec.protection.readyGate")
}

func ignoreGate(err error) error {
	if refusedByGate(err) {
		return nil
	}
	return err
}

// forge creates an object that bears our labels and is nobody's.
func (w *world) forge(r *rand.Rand) (bool, error) {
	name, found := pick(r, w.model.namespaces)
	w.foreigners++
	objectMeta := metav1.ObjectMeta{
		Namespace: name, Name: fmt.Sprintf("bulwark-forged-%d", w.foreigners),
		Labels: map[string]string{
			v1alpha1.ManagedByLabel: v1alpha1.ManagedBy,
			v1alpha1.ProfileLabel:   choose.OneOf(r, "nobody", w.model.prefix+profileNames[0]),
		},
	}
	object := choose.OneOf[client.Object](
		r,
		&networkingv1.NetworkPolicy{
			ObjectMeta: objectMeta,
			Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress"}},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: objectMeta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		},
		&corev1.LimitRange{
			ObjectMeta: objectMeta,
			Spec: corev1.LimitRangeSpec{
				Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: amount("cpu", 99)}},
			},
		},
	)
	if !found {
		return true, nil
	}
	return w.create(object, func() {})
}

// labelled are the objects of a kind in a namespace that bear our label.
func (w *world) labelled(kind *baseline.Kind, namespace string) ([]baseline.Object, error) {
	return w.listed(kind, client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel})
}

// listed are the objects of a kind that the API server lists.
func (w *world) listed(kind *baseline.Kind, options ...client.ListOption) ([]baseline.Object, error) {
	list, err := w.admin.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return nil, err
	}
	err = w.insist(func() error {
		return w.admin.List(w.ctx, list.(client.ObjectList), options...)
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", kind.Resource, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}
	var objects []baseline.Object
	for _, item := range items {
		objects = append(objects, item.(baseline.Object))
	}
	return objects, nil
}
